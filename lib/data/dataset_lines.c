/* dataset_lines: where the rows of a file are, a line each or the items of one list, and what their
 * bytes were. What a row says is read in dataset_row.c. */
#include "data/dataset_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define BLOCK    (1 << 20)
#define ROWS_MAX (INT32_MAX / 4)

enum form { UNKNOWN, LINES, LIST };
enum place { BEFORE, WITHIN, BEHIND }; /* of the next byte of a list: a row, the list's end */

struct scan { /* the row that the next byte belongs to */
    enum form form;
    int64_t at, number;
    int blank;        /* a line: nothing else yet */
    enum place place; /* the rest of a list: */
    int depth, quoted, escaped, comma;
    XXH3_state_t *row, *file;
};

static void end_row(struct ptd_dataset *d, struct scan *s, int64_t end)
{
    if (d->n == d->cap)
        d->lines = ptd_realloc(d->lines, (d->cap = 2 * d->cap + 1024) * sizeof *d->lines);
    d->lines[d->n++] = (struct ptd_line){s->at, end - s->at, s->number, XXH3_64bits_digest(s->row)};
    XXH3_64bits_reset(s->row);
}

static int check_count(const struct ptd_dataset *d)
{
    if (d->n <= ROWS_MAX) return 0;
    return ptd_fail(PTD_DATAERR, "%s: expected at most %d rows", d->path, ROWS_MAX);
}

/* ---- a line each ---- */

static void end_line(struct ptd_dataset *d, struct scan *s, int64_t end)
{
    if (!s->blank) end_row(d, s, end);
    XXH3_64bits_reset(s->row);
    s->at = end + 1;
    s->number++;
    s->blank = 1;
}

static int is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", p[i]) || !p[i]) return 0;
    return 1;
}

static int scan_lines(struct ptd_dataset *d, struct scan *s, int64_t at, const char *p, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const char *end = memchr(p + i, '\n', n - i);
        int64_t stop = end ? end - p : n;
        if (s->blank && !is_blank(p + i, stop - i)) s->blank = 0;
        XXH3_64bits_update(s->row, p + i, stop - i);
        if (end) end_line(d, s, at + stop);
        if (check_count(d) < 0) return -1;
        i = stop + 1;
    }
    return 0;
}

/* ---- a list ---- */

static int bad_list(const struct ptd_dataset *d, const char *what)
{
    return ptd_fail(PTD_DATAERR, "%s:%d: %s", d->path, d->n + 1, what);
}

/* Between rows. Returns 1 if a row begins with c. */
static int between(struct ptd_dataset *d, struct scan *s, char c)
{
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') return 0;
    if (s->place == BEHIND)
        return bad_list(d, "the list of rows has ended, expected nothing behind it");
    if (c == ',' || (c == ']' && s->comma)) return bad_list(d, "empty, expected one JSON object");
    if (c == ']') s->place = BEHIND;
    return c != ']';
}

/* Is c, inside a row, behind it? Brackets are matched when the row is read. */
static int ends_row(struct scan *s, char c)
{
    if (s->quoted) {
        s->quoted = s->escaped || c != '"';
        s->escaped = !s->escaped && c == '\\';
        return 0;
    }
    s->quoted = c == '"';
    if (s->depth == 0) {
        if (c == ',' || c == ']') return 1;
        if (c == '}') return 0;
    }
    s->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    return 0;
}

static int scan_list(struct ptd_dataset *d, struct scan *s, int64_t at, const char *p, int64_t n)
{
    int64_t from = 0; /* of the row's bytes in this block */
    for (int64_t i = 0; i < n; i++) {
        int begins = s->place == WITHIN ? 0 : between(d, s, p[i]);
        if (begins < 0) return -1;
        if (begins) s->place = WITHIN, s->at = at + i, s->number = d->n + 1, from = i;
        if (s->place != WITHIN || !ends_row(s, p[i])) continue;
        XXH3_64bits_update(s->row, p + from, i - from);
        end_row(d, s, at + i);
        s->place = p[i] == ']' ? BEHIND : BEFORE;
        s->comma = 1;
        if (check_count(d) < 0) return -1;
    }
    if (s->place == WITHIN) XXH3_64bits_update(s->row, p + from, n - from);
    return 0;
}

/* ---- a file ---- */

/* What the file is shows in the first byte that is not blank. */
static int scan_block(struct ptd_dataset *d, struct scan *s, int64_t at, const char *p, int64_t n)
{
    if (s->form == UNKNOWN) {
        int64_t i = 0;
        while (i < n && strchr(" \t\r\n", p[i]) && p[i]) i++;
        if (i < n) s->form = p[i] == '[' ? LIST : LINES;
        if (s->form == LIST) at += i + 1, p += i + 1, n -= i + 1;
    }
    return s->form == LIST ? scan_list(d, s, at, p, n) : scan_lines(d, s, at, p, n);
}

static int end_file(struct ptd_dataset *d, struct scan *s, int64_t at)
{
    if (s->form != LIST)
        end_line(d, s, at);
    else if (s->place != BEHIND)
        return bad_list(d, "the file ends within the list of rows, expected a \"]\"");
    return 0;
}

static int scan_file(struct ptd_dataset *d, struct scan *s)
{
    char *block = ptd_alloc(BLOCK);
    int64_t at = 0;
    ssize_t n;
    int status = 0;
    while (status == 0 && (n = read(d->fd, block, BLOCK)) > 0) {
        int bom = at == 0 && n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        if (bom) s->at = bom;
        XXH3_64bits_update(s->file, block, n);
        status = scan_block(d, s, at + bom, block + bom, n - bom);
        at += n;
    }
    if (status == 0 && n < 0) status = ptd_fail(PTD_IOERR, "%s: read:", d->path);
    if (status == 0) status = end_file(d, s, at);
    free(block);
    return status;
}

static XXH3_state_t *new_hash(void)
{
    XXH3_state_t *h = XXH3_createState();
    if (!h) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(h);
    return h;
}

int ptd_dataset_find(struct ptd_dataset *d)
{
    struct scan s = {.number = 1, .blank = 1, .row = new_hash(), .file = new_hash()};
    int status = scan_file(d, &s);
    d->digest = XXH3_64bits_digest(s.file);
    d->listed = s.form == LIST;
    XXH3_freeState(s.row);
    XXH3_freeState(s.file);
    if (status == 0 && !d->n)
        status =
            ptd_fail(PTD_DATAERR, "%s: no rows, expected one JSON object a line, or a list of them",
                     d->path);
    return status;
}
