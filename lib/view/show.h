/* show: frames as JSON and as text for people; what ptd-dump prints.
 *
 * JSON keeps field names and order. Typed arrays of more than 16 entries become {"int32": entries,
 * "xxh3": digest}, bins always {"bin": bytes, "xxh3": digest}; numbers that JSON lacks become
 * "NaN", "Infinity", "-Infinity"; bytes that are no UTF-8 become U+FFFD. */
#ifndef PTD_SHOW_H
#define PTD_SHOW_H
#include "flow/record.h"
#include "flow/stream.h"

#include <jansson.h>

enum { PTD_SHOW_FULL = 1 /* all entries of arrays */, PTD_SHOW_PRETTY = 2 /* indented */ };

/* {"kind": "group", "record": 1, "byte": 330, ...the body's fields}; NULL (65) if the body is not
 * msgpack. */
json_t *ptd_show_frame(const struct ptd_frame *f, int flags);
json_t *ptd_show_text(const char *s, size_t n); /* a JSON string whatever the bytes */
json_t *ptd_show_number(double x);
json_t *ptd_show_digest(const void *p, size_t n); /* XXH3-64 as 16 hex digits */
/* Prints one line (or an indented block) and frees j. */
void ptd_show_print(json_t *j, int flags);
/* The same in a form of Jansson's. What printable.h names is written as \u009b, which is the same
 * JSON. */
void ptd_show_json(json_t *j, size_t form);
/* text for people: escaped as printable.h says, newlines too; ends no line */
void ptd_show_line(const char *s);
void ptd_show_head_text(const struct ptd_head *h);
void ptd_show_group_text(const struct ptd_group *g);

/* A store as JSON lines: meta, configuration, generations, moments, run, cache; -1 on failure. */
int ptd_show_store(const char *dir, int flags) PTD_MUST_CHECK;
/* The same to whoever takes, and frees, a line. */
int ptd_show_store_to(const char *dir, void (*put)(json_t *line, void *ctx),
                      void *ctx) PTD_MUST_CHECK;
/* Statistics (and with FULL the values) of one tensor; generation -1: the newest. */
int ptd_show_tensor(const char *dir, const char *name, int64_t generation,
                    int flags) PTD_MUST_CHECK;
/* Reads everything; *tensors counts what was verified. */
int ptd_show_check_store(const char *dir, long *tensors) PTD_MUST_CHECK;
#endif
