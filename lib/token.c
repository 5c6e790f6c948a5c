/* token: text to ids and back: added tokens, NFC, split pattern, merges by rank, bytes.
 * Reading tokenizer.json is token_file.c's, the chat template prompt.c's. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "token_impl.h"

#define TEXT_MAX    (64u << 20)
#define MATCH_LIMIT 10000000
#define HEAP_LIMIT  65536 /* KiB */
#define STACK_MAX   (1 << 20)

struct symbol {
    int32_t id, prev, next;
}; /* id -1: merged into the one before */
struct pending {
    int32_t rank, at, left, right, id;
}; /* a merge that was possible when it was noted */

/* One encoding: what has been found and the scratch of one piece. */
struct encoder {
    const struct ptd_tokenizer *t;
    pcre2_match_context *context;
    pcre2_match_data *match;
    pcre2_jit_stack *stack;
    int32_t *ids;
    size_t n, cap;
    struct symbol *symbols;
    struct pending *heap;
    size_t n_heap, scratch_cap;
};

/* ---- UTF-8 ---- */

/* Length of the character at s (1..4), or minus the length of the invalid part that U+FFFD stands for. n > 0.
 */
static int utf8_length(const unsigned char *s, size_t n)
{
    int c = s[0], need = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;
    if (need < 0) return -1;
    int low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    int high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i <= need; i++, low = 0x80, high = 0xBF)
        if ((size_t)i >= n || s[i] < low || s[i] > high) return -i;
    return need + 1;
}

static int check_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        int k = utf8_length((const unsigned char *)text + i, len - i);
        if (k < 0) return ptd_fail(PTD_DATAERR, "text is not valid UTF-8 at byte %zu", i);
        i += k;
    }
    return 0;
}

/* Below U+0300 nothing composes. */
static int may_need_nfc(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] >= 0xCC) return 1;
    return 0;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x), memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Canonical order of the marks c [n]: by combining class, otherwise as they stand. utf8proc's own ordering
 * takes quadratic time, which a text made for it would feel. key [n] is scratch. */
static void order_marks(utf8proc_int32_t *c, size_t n, uint64_t *key)
{
    for (size_t i = 0; i < n; i++)
        key[i] = (uint64_t)utf8proc_get_property(c[i])->combining_class << 56 | (uint64_t)i << 21 | c[i];
    qsort(key, n, sizeof *key, by_key);
    for (size_t i = 0; i < n; i++) c[i] = key[i] & 0x1FFFFF;
}

static void order_all_marks(utf8proc_int32_t *c, size_t n)
{
    uint64_t *key = ptd_array(n + 1, sizeof *key);
    for (size_t i = 0, from = 0; i <= n; i++) {
        if (i < n && utf8proc_get_property(c[i])->combining_class) continue;
        if (i - from > 1) order_marks(c + from, i - from, key);
        from = i + 1;
    }
    free(key);
}

/* s [len] (valid UTF-8) in normalisation form C; malloc'd. */
static char *compose(const char *s, size_t len, size_t *out_len)
{
    size_t n = 0, cap = 2 * len + 4; /* no character becomes more than two for each of its bytes */
    utf8proc_int32_t *c = ptd_array(cap, sizeof *c), one;
    int boundary = 0;
    for (size_t i = 0; i < len;) {
        i += utf8proc_iterate((const utf8proc_uint8_t *)s + i, len - i, &one);
        n += utf8proc_decompose_char(one, c + n, cap - n, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    }
    order_all_marks(c, n);
    n = utf8proc_normalize_utf32(c, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    utf8proc_uint8_t *out = ptd_array(n + 1, 4), *o = out;
    for (size_t i = 0; i < n; i++) o += utf8proc_encode_char(c[i], o);
    free(c);
    *out_len = o - out;
    return (char *)out;
}

/* ---- merging ---- */

static int before(const struct pending *a, const struct pending *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct encoder *e, struct pending p)
{
    size_t i = e->n_heap++;
    for (; i > 0 && before(&p, &e->heap[(i - 1) / 2]); i = (i - 1) / 2) e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = p;
}

static struct pending heap_pop(struct encoder *e)
{
    struct pending top = e->heap[0], p = e->heap[--e->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < e->n_heap) {
        if (child + 1 < e->n_heap && before(&e->heap[child + 1], &e->heap[child])) child++;
        if (!before(&e->heap[child], &p)) break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = p;
    return top;
}

/* Notes the merge of symbol `at` with its right neighbour, if there is one. */
static void note_pair(struct encoder *e, int32_t at)
{
    if (at < 0 || e->symbols[at].next < 0) return;
    int32_t left = e->symbols[at].id, right = e->symbols[e->symbols[at].next].id;
    const struct ptd_merge *m = ptd_token_merge(e->t, left, right);
    if (m) heap_push(e, (struct pending){m->rank, at, left, right, m->id});
}

static void join(struct encoder *e, const struct pending *p)
{
    struct symbol *s = &e->symbols[p->at];
    if (s->id != p->left || s->next < 0 || e->symbols[s->next].id != p->right) return; /* out of date */
    struct symbol *gone = &e->symbols[s->next];
    s->id = p->id;
    s->next = gone->next;
    gone->id = -1;
    if (s->next >= 0) e->symbols[s->next].prev = p->at;
    note_pair(e, s->prev);
    note_pair(e, p->at);
}

/* Room for a piece of n bytes: each merge notes at most two more, so the heap never holds over 3n. */
static void reserve_scratch(struct encoder *e, size_t n)
{
    if (n <= e->scratch_cap) return;
    e->scratch_cap = n + n / 2 + 64;
    e->symbols = ptd_realloc(e->symbols, e->scratch_cap * sizeof *e->symbols);
    e->heap = ptd_realloc(e->heap, 3 * e->scratch_cap * sizeof *e->heap);
}

static void put_id(struct encoder *e, int32_t id)
{
    if (e->n == e->cap) {
        e->cap = e->cap * 2 + 64;
        e->ids = ptd_realloc(e->ids, e->cap * sizeof *e->ids);
    }
    e->ids[e->n++] = id;
}

static void encode_piece(struct encoder *e, const char *s, size_t n)
{
    if (!n) return;
    reserve_scratch(e, n);
    for (size_t i = 0; i < n; i++)
        e->symbols[i] = (struct symbol){e->t->byte_id[(unsigned char)s[i]], (int32_t)i - 1,
                                        i + 1 < n ? (int32_t)i + 1 : -1};
    e->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++) note_pair(e, i);
    while (e->n_heap) {
        struct pending p = heap_pop(e);
        join(e, &p);
    }
    for (int32_t i = 0; i >= 0; i = e->symbols[i].next) put_id(e, e->symbols[i].id);
}

/* ---- splitting ---- */

/* Each match is a piece, and so is each gap between matches. */
static int encode_normal(struct encoder *e, const char *s, size_t len)
{
    size_t done = 0, from = 0;
    while (from < len) {
        int rc = pcre2_match(e->t->split, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK, e->match, e->context);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0)
            return ptd_fail(PTD_DATAERR, "%s: the split pattern gives up on this text (PCRE2 error %d)",
                            e->t->name, rc);
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(e->match);
        if (found[1] <= found[0]) { /* an empty match moves on by one character */
            from = found[0] < len
                       ? found[0] + utf8_length((const unsigned char *)s + found[0], len - found[0])
                       : len;
            continue;
        }
        encode_piece(e, s + done, found[0] - done);
        encode_piece(e, s + found[0], found[1] - found[0]);
        done = from = found[1];
    }
    encode_piece(e, s + done, len - done);
    return 0;
}

/* A stretch without added tokens. */
static int encode_stretch(struct encoder *e, const char *s, size_t len)
{
    if (!e->t->nfc || !may_need_nfc(s, len)) return encode_normal(e, s, len);
    size_t n;
    char *composed = compose(s, len, &n);
    int bad = encode_normal(e, composed, n);
    free(composed);
    return bad;
}

/* The longest added token that text begins with, or -1. */
static int32_t added_here(const struct ptd_tokenizer *t, const char *text, size_t len)
{
    int first = (unsigned char)text[0];
    for (int i = t->added_at[first]; i < t->added_at[first + 1]; i++) {
        const struct ptd_token *k = &t->tokens[t->added[i]];
        if (k->len <= len && !memcmp(t->text + k->at, text, k->len)) return t->added[i];
    }
    return -1;
}

static int encode_text(struct encoder *e, const char *text, size_t len)
{
    size_t done = 0, i = 0;
    while (i < len) {
        int32_t id = added_here(e->t, text + i, len - i);
        if (id < 0) {
            i++;
            continue;
        }
        if (encode_stretch(e, text + done, i - done) < 0) return -1;
        put_id(e, id);
        done = i += e->t->tokens[id].len;
    }
    return encode_stretch(e, text + done, len - done);
}

static void encoder_init(struct encoder *e, const struct ptd_tokenizer *t)
{
    *e = (struct encoder){.t = t};
    e->match = pcre2_match_data_create(1, NULL);
    e->context = pcre2_match_context_create(NULL);
    e->stack = pcre2_jit_stack_create(32 * 1024, STACK_MAX, NULL);
    if (!e->match || !e->context || !e->stack) ptd_die(PTD_OSERR, "out of memory for PCRE2");
    pcre2_set_match_limit(e->context, MATCH_LIMIT);
    pcre2_set_heap_limit(e->context, HEAP_LIMIT);
    pcre2_jit_stack_assign(e->context, NULL, e->stack);
}

static void encoder_clear(struct encoder *e)
{
    pcre2_jit_stack_free(e->stack);
    pcre2_match_context_free(e->context);
    pcre2_match_data_free(e->match);
    free(e->symbols);
    free(e->heap);
}

int ptd_tokenizer_encode(const struct ptd_tokenizer *t, const char *text, size_t len, int32_t **ids)
{
    struct encoder e;
    *ids = NULL;
    if (len > TEXT_MAX)
        return ptd_fail(PTD_DATAERR, "text of %zu bytes, at most %u can be encoded", len, TEXT_MAX);
    if (check_utf8(text, len) < 0) return -1;
    encoder_init(&e, t);
    int bad = encode_text(&e, text, len);
    encoder_clear(&e);
    if (bad) {
        free(e.ids);
        return -1;
    }
    *ids = e.ids ? e.ids : ptd_alloc(sizeof **ids);
    return e.n;
}

/* ---- decoding ---- */

static int is_shown(const struct ptd_tokenizer *t, int32_t id, int skip_special)
{
    if (id < 0 || id >= t->size) return 0;
    return t->tokens[id].kind && !(skip_special && t->tokens[id].kind == PTD_TOKEN_SPECIAL);
}

/* A copy of s [n] in which each invalid part became U+FFFD; ends with a NUL. */
static char *repair(const char *s, size_t n)
{
    char *out = ptd_array(n + 1, 3), *o = out;
    for (size_t i = 0; i < n;) {
        int k = utf8_length((const unsigned char *)s + i, n - i);
        o = k > 0 ? mempcpy(o, s + i, k) : mempcpy(o, "\xEF\xBF\xBD", 3);
        i += abs(k);
    }
    return out;
}

char *ptd_tokenizer_decode(const struct ptd_tokenizer *t, const int32_t *ids, size_t n, int skip_special)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        if (is_shown(t, ids[i], skip_special)) len += t->tokens[ids[i]].len;
    char *bytes = ptd_alloc(len + 1), *b = bytes;
    for (size_t i = 0; i < n; i++)
        if (is_shown(t, ids[i], skip_special))
            b = mempcpy(b, t->text + t->tokens[ids[i]].at, t->tokens[ids[i]].len);
    char *text = repair(bytes, len);
    free(bytes);
    return text;
}

int ptd_tokenizer_size(const struct ptd_tokenizer *t)
{
    return t->size;
}

int ptd_tokenizer_id(const struct ptd_tokenizer *t, const char *text)
{
    size_t len = strlen(text);
    if (!len) return -1;
    int32_t id = added_here(t, text, len);
    if (id >= 0 && t->tokens[id].len == len) return id;
    return ptd_token_find(t, text, len);
}
