/* tiny-store: a store with the tiny model and random weights, in a folder of its own, for a group
 * of tests. */
#ifndef PTD_TESTS_TINY_STORE_H
#define PTD_TESTS_TINY_STORE_H
#include "device.h"
#include "net/model.h"
#include "test.h"
#include <unistd.h>

static char folder[] = "/tmp/ptd-test-XXXXXX";
static char store_path[64];

static inline void put_file(struct ptd_store *s, const char *name)
{
    size_t len;
    char *path = ptd_format("tiny/%s", name);
    const char *text = ptd_builtin(path, &len);
    assert_non_null(text);
    assert_int_equal(ptd_store_put_meta(s, name, text, len), 0);
    free(path);
}

static inline int make_store(void **state)
{
    (void)state;
    struct ptd_store *s;
    if (!mkdtemp(folder)) return -1;
    snprintf(store_path, sizeof store_path, "%s/run.ptd", folder);
    if (ptd_store_open(&s, store_path, PTD_STORE_CREATE | PTD_STORE_TRAIN) < 0) return -1;
    put_file(s, "config.json");
    put_file(s, "generation_config.json");
    put_file(s, "preprocessor_config.json");
    put_file(s, "tokenizer.json");
    struct ptd_model *m = ptd_model_open(s, the_device());
    if (!m) return -1;
    ptd_model_init(m, 1);
    struct ptd_publication p = {.keep = 1, .pin = 1};
    p.weights = ptd_model_views(m, &p.n);
    int rc = ptd_store_publish(s, &p);
    free(p.weights);
    ptd_model_free(m);
    ptd_store_close(s);
    return rc;
}

static inline int remove_store(void **state)
{
    (void)state;
    static const char *const names[] = {"run.ptd/data.mdb", "run.ptd/lock.mdb", "run.ptd/lock",
                                        "run.ptd", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = ptd_format("%s/%s", folder, names[i]);
        if (remove(path) != 0 && i != 1 && i != 2) return -1;
        free(path);
    }
    return 0;
}
#endif
