/* jot: JSON text put down piece by piece, for large arrays of numbers, which Jansson would make
 * an object of each.
 *
 *     struct ptd_jot j = {0};
 *     ptd_jot_open(&j, '{');
 *     ptd_jot_key(&j, "step"), ptd_jot_int(&j, 3);
 *     ptd_jot_close(&j, '}');
 *     ... j.out.data, j.out.len ...
 *     ptd_jot_clear(&j);
 *
 * It may stand in a <script> of a page: '<' is written as an escape, and so is what a line of
 * script may not hold. Bytes that are no UTF-8 become U+FFFD. */
#ifndef PTD_JOT_H
#define PTD_JOT_H
#include "flow/record.h"

struct ptd_jot {
    struct ptd_buf out;
    int behind; /* a value stands before what comes next */
};
void ptd_jot_open(struct ptd_jot *j, char bracket);
void ptd_jot_close(struct ptd_jot *j, char bracket);
void ptd_jot_key(struct ptd_jot *j, const char *key); /* a plain word */
void ptd_jot_text(struct ptd_jot *j, const char *s);  /* NULL: null */
void ptd_jot_bytes(struct ptd_jot *j, const char *s, size_t n);
void ptd_jot_int(struct ptd_jot *j, int64_t x);
void ptd_jot_number(struct ptd_jot *j, double x);       /* six digits; null where it is none */
void ptd_jot_raw(struct ptd_jot *j, const char *value); /* JSON as it is */
void ptd_jot_clear(struct ptd_jot *j);
#endif
