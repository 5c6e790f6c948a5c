/* check_tally: what is counted while a data set is looked at: rows by name, faults by kind, tokens,
 * ids. */
#ifndef PTD_CHECK_TALLY_H
#define PTD_CHECK_TALLY_H
#include "data/dataset_check.h"

#include <jansson.h>

/* ---- rows by name: a JSON object of numbers ---- */
void ptd_tally_name(json_t *names, const char *name);
/* The list of all, see struct ptd_checked; frees `names`. shown: how many can be. */
struct ptd_check_count *ptd_tally_names(json_t *names, int shown, int *n);

/* ---- faults by kind ---- */
void ptd_tally_fault(struct ptd_checked *r, const char *kind, long line);
void ptd_tally_line(struct ptd_check_kind *k, long line);

/* ---- tokens ---- */
struct ptd_tally_ints {
    int *value;
    long n, cap;
};
void ptd_tally_int(struct ptd_tally_ints *t, int value);
/* Frees them. */
struct ptd_check_tokens ptd_tally_ints_end(struct ptd_tally_ints *t);

/* ---- ids: by their digests, at most 96 bytes each ---- */
struct ptd_tally_ids;
struct ptd_tally_ids *ptd_tally_ids_new(void);
/* The line that had this id before, which it keeps; 0: none. */
long ptd_tally_id(struct ptd_tally_ids *ids, const char *id, long line);
void ptd_tally_ids_free(struct ptd_tally_ids *ids);
#endif
