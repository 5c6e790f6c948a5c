/* dataset_private: what dataset.c (the file, its lines, its pictures) and dataset_row.c (one row)
 * share. */
#ifndef PTD_DATASET_PRIVATE_H
#define PTD_DATASET_PRIVATE_H
#include "base/json.h"
#include "data/dataset.h"
#include "data/pictures.h"
#include <sys/stat.h>

struct ptd_line {
    int64_t at, len, number;
    uint64_t digest; /* of its bytes */
};

struct ptd_dataset {
    char *path;
    int fd, folder;
    struct stat opened;
    struct ptd_line *lines;
    int n, cap;
    uint64_t digest;
    struct ptd_pictures *pictures; /* NULL: nobody asked */
    char pictures_digest[17];
    struct ptd_order *order;
};

/* Calls f for each path among the pictures of row i, as far as the row can be read; -1 as soon as f
 * returns it, or the machine fails. */
int ptd_dataset_paths(struct ptd_dataset *d, int i,
                      int (*f)(struct ptd_pictures *p, const char *path)) PTD_MUST_CHECK;
#endif
