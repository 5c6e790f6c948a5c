/* torture-reader: a reader of a store for torture-readers.sh, which stops and kills it. `read`:
 * takes snapshot after snapshot of the newest generation and prints its number and a digest of all
 * its weights; `hold`: keeps the first snapshot. Whether what was read is right is the script's to
 * say. */
#include "store/store.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static int digest_tensor(struct ptd_store *s, int64_t g, const struct ptd_tensor_about *t,
                         XXH64_hash_t *h)
{
    size_t most = ptd_store_piece(t->dtype), size = ptd_dtype_size(t->dtype);
    char *values = ptd_array(t->n < most ? t->n : most, size);
    int rc = 0;
    for (size_t at = 0, n; at < t->n && rc == 0; at += n) {
        n = t->n - at < most ? t->n - at : most;
        rc = ptd_store_read(s, g, t, at, n, values);
        *h = XXH3_64bits_withSeed(values, n * size, *h);
    }
    free(values);
    return rc;
}

/* One snapshot; if `forever`, it is not given back. */
static void take(struct ptd_store *s, int forever)
{
    struct ptd_tensor_about *list;
    XXH64_hash_t h = 0;
    int64_t g;
    int n, rc;
    if (ptd_store_hold(s) < 0 || ptd_store_head(s, &g) < 0 || ptd_store_list(s, g, &list, &n) < 0)
        ptd_die_last();
    for (int i = rc = 0; i < n && rc == 0; i++) rc = digest_tensor(s, g, &list[i], &h);
    if (rc < 0) ptd_die_last();
    ptd_store_list_free(list, n);
    dprintf(1, "%" PRId64 " %016llx\n", g, (unsigned long long)h);
    while (forever) pause();
    ptd_store_release(s);
}

int main(int argc, char **argv)
{
    struct ptd_store *s;
    ptd_program("torture-reader");
    if (argc != 3) ptd_die(PTD_USAGE, "expected a store and read or hold");
    if (ptd_store_open(&s, argv[1], PTD_STORE_READ) < 0) ptd_die_last();
    for (;;) take(s, !strcmp(argv[2], "hold"));
}
