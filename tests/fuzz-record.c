/* Fuzzing entry: any bytes as the body of a head and of a group. What is accepted must come back
 * from its own encoding, and can be shown. Built by `make fuzz` for libFuzzer; the same file serves
 * AFL++. */
#include "flow/record.h"
#include "view/show.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void expect_same(struct ptd_buf *a, struct ptd_buf *b)
{
    if (a->len != b->len || memcmp(a->data, b->data, a->len) != 0) abort();
    free(a->data);
    free(b->data);
}

static void show(int kind, const char *body, size_t n)
{
    struct ptd_frame f = {.kind = kind, .body = body, .body_len = n};
    json_t *j = ptd_show_frame(&f, PTD_SHOW_FULL);
    if (!j && ptd_failed_status() != PTD_DATAERR) abort();
    json_decref(j);
}

static void read_head(const char *body, size_t n)
{
    struct ptd_head h;
    struct ptd_buf once = {0}, twice = {0};
    if (ptd_head_decode(&h, body, n) < 0) {
        if (ptd_failed_status() != PTD_DATAERR && ptd_failed_status() != PTD_CUT) abort();
        return;
    }
    ptd_head_encode(&h, &once);
    ptd_head_clear(&h);
    if (ptd_head_decode(&h, once.data, once.len) < 0) abort();
    ptd_head_encode(&h, &twice);
    ptd_head_clear(&h);
    expect_same(&once, &twice);
    show(PTD_HEAD, body, n);
}

static void read_group(const char *body, size_t n)
{
    struct ptd_group g = {0};
    struct ptd_buf once = {0}, twice = {0};
    if (ptd_group_decode(&g, body, n) < 0) {
        if (ptd_failed_status() != PTD_DATAERR || g.arena) abort();
        return;
    }
    int good = ptd_group_check(&g);
    ptd_group_encode(&g, &once);
    if (ptd_group_decode(&g, once.data, once.len) < 0 || ptd_group_check(&g) != good) abort();
    ptd_group_encode(&g, &twice);
    ptd_group_clear(&g);
    expect_same(&once, &twice);
    show(PTD_GROUP, body, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    read_head((const char *)data, n);
    read_group((const char *)data, n);
    return 0;
}
