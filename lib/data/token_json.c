/* token_json: the text of tokenizer.json: its two large tables are cut out, read as they stand and
 * an entry at a time, which takes a fifth of the time that Jansson needs to build them as objects.
 * What entries mean is token_file.c's. */
#include <string.h>
#include "data/token_impl.h"

/* ---- cutting ---- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
    return p;
}

/* Behind the string whose opening quote is before p; end + 1 if it does not close. */
static const char *skip_string(const char *p, const char *end)
{
    while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    return p < end ? p + 1 : end + 1;
}

/* Behind the object or array that begins at p; end + 1 if it does not close. */
static const char *skip_value(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        char c = *p++;
        if (c == '"')
            p = skip_string(p, end);
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return p;
    }
    return end + 1;
}

struct cutter {
    const char *p, *end;
    char *rest; /* where the rest is written */
    int depth, in_model;
};

static void keep_until(struct cutter *c, const char *p)
{
    c->rest = mempcpy(c->rest, c->p, p - c->p);
    c->p = p;
}

/* The table at p, if it is one and the first of its name, becomes empty in the rest. */
static void cut_table(struct cutter *c, const char *p, char open, struct ptd_token_span *table)
{
    if (p >= c->end || *p != open || table->text) return;
    const char *behind = skip_value(p, c->end);
    if (behind > c->end) return;
    *table = (struct ptd_token_span){p, behind - p};
    keep_until(c, p + 1);
    *c->rest++ = behind[-1];
    c->p = behind;
}

static int is_key(const char *key, size_t n, const char *name)
{
    return n == strlen(name) && !memcmp(key, name, n);
}

/* A string; if it is one of the keys that matter, the value behind it is looked at. */
static void cut_string(struct cutter *c, struct ptd_token_parts *parts)
{
    const char *key = c->p + 1, *p = skip_string(key, c->end);
    size_t n = p - key - 1;
    if (p > c->end) p = c->end;
    keep_until(c, p);
    p = skip_space(p, c->end);
    if (p == c->end || *p != ':') return;
    keep_until(c, skip_space(p + 1, c->end));
    if (c->depth == 1) c->in_model = is_key(key, n, "model");
    if (c->depth != 2 || !c->in_model) return;
    if (is_key(key, n, "vocab")) cut_table(c, c->p, '{', &parts->vocab);
    if (is_key(key, n, "merges")) cut_table(c, c->p, '[', &parts->merges);
}

void ptd_token_cut(const char *json, size_t len, struct ptd_token_parts *parts)
{
    *parts = (struct ptd_token_parts){.rest = ptd_alloc(len + 1)};
    struct cutter c = {.p = json, .end = json + len, .rest = parts->rest};
    while (c.p < c.end) {
        if (*c.p == '"') {
            cut_string(&c, parts);
            continue;
        }
        if (*c.p == '{' || *c.p == '[') c.depth++;
        if (*c.p == '}' || *c.p == ']') c.depth--;
        *c.rest++ = *c.p++;
    }
    parts->rest_len = c.rest - parts->rest;
}

/* ---- the byte alphabet ---- */

static int is_own_symbol(int b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

/* Own symbols first, the other 68 bytes from U+0100 on. */
static void fill_alphabet(int16_t byte_of[PTD_TOKEN_SYMBOLS])
{
    int next = 256;
    for (int b = 0; b < 256; b++) byte_of[b] = -1;
    for (int b = 0; b < 256; b++) byte_of[is_own_symbol(b) ? b : next++] = b;
}

/* ---- reading ---- */

void ptd_token_reader_init(struct ptd_token_reader *r, struct ptd_token_span table)
{
    *r = (struct ptd_token_reader){.p = table.text + 1, .end = table.text + table.len};
    fill_alphabet(r->byte_of);
}

int ptd_token_read_char(struct ptd_token_reader *r, char c)
{
    r->p = skip_space(r->p, r->end);
    if (r->p == r->end || *r->p != c) return 0;
    r->p++;
    return 1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* What stands behind a backslash; 0, which is no symbol, for all that cannot be one. */
static unsigned read_escape(struct ptd_token_reader *r)
{
    unsigned c = 0;
    if (r->p == r->end) return 0;
    char kind = *r->p++;
    if (kind == '"' || kind == '\\' || kind == '/') return kind;
    if (kind != 'u' || r->end - r->p < 4) return 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(*r->p++);
        if (d < 0) return 0;
        c = c << 4 | d;
    }
    return c;
}

int ptd_token_read_symbols(struct ptd_token_reader *r, char stop, char *out)
{
    char *o = out;
    while (r->p < r->end) {
        unsigned c = (unsigned char)*r->p++;
        if (c == (unsigned char)stop) return o - out;
        if (c == '"') return -1;
        if (c == '\\')
            c = read_escape(r);
        else if (c >= 0xC2 && c < 0xC6 && r->p < r->end && (*r->p & 0xC0) == 0x80)
            c = (c & 0x1F) << 6 | (*r->p++ & 0x3F);
        else if (c >= 0x80)
            return -1;
        if (c >= PTD_TOKEN_SYMBOLS || r->byte_of[c] < 0) return -1;
        *o++ = r->byte_of[c];
    }
    return -1;
}

int32_t ptd_token_read_id(struct ptd_token_reader *r)
{
    int32_t n = 0;
    r->p = skip_space(r->p, r->end);
    const char *first = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && n < PTD_TOKEN_IDS_MAX)
        n = 10 * n + *r->p++ - '0';
    int is_whole = r->p > first && (*first != '0' || r->p == first + 1) && r->p < r->end &&
                   !strchr(".eE0123456789", *r->p);
    return is_whole && n < PTD_TOKEN_IDS_MAX ? n : -1;
}
