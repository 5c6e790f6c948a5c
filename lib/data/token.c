/* token: text to ids and back: added tokens, NFC, split pattern, merges by rank, bytes.
 * Reading tokenizer.json is token_file.c's, the chat template prompt.c's. */
#include <stdlib.h>
#include <string.h>
#include "data/token_impl.h"

#define TEXT_MAX    (64u << 20)
#define MATCH_LIMIT 10000000
#define HEAP_LIMIT  65536 /* KiB */
#define STACK_MAX   (1 << 20)

/* One encoding: what has been found and the scratch of one piece. */
struct encoder {
    const struct ptd_tokenizer *t;
    const char *text, *is_data; /* is_data: a byte for each of text, or NULL: it is ours */
    size_t len;
    int all_data, composed_data; /* all of text, or a part of the stretch that was composed */
    pcre2_match_context *context;
    pcre2_match_data *match;
    pcre2_jit_stack *stack;
    struct ptd_merging merging;
    int32_t *ids;
    size_t n, cap;
};

/* ---- UTF-8 ---- */

/* Length of the character at s (1..4), or minus the length of the invalid part that U+FFFD stands
 * for. n > 0. */
static int utf8_length(const unsigned char *s, size_t n)
{
    int c = s[0], need = c < 0x80   ? 0
                         : c < 0xC2 ? -1
                         : c < 0xE0 ? 1
                         : c < 0xF0 ? 2
                         : c < 0xF5 ? 3
                                    : -1;
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

/* ---- pieces ---- */

/* Room for n more ids. */
static void reserve(struct encoder *e, size_t n)
{
    if (n <= e->cap - e->n) return;
    e->cap = e->cap * 2 + n + 64;
    e->ids = ptd_realloc(e->ids, e->cap * sizeof *e->ids);
}

static void put_id(struct encoder *e, int32_t id)
{
    reserve(e, 1);
    e->ids[e->n++] = id;
}

static void encode_piece(struct encoder *e, const char *s, size_t n)
{
    if (!n) return;
    reserve(e, n);
    e->n += ptd_merging_piece(&e->merging, s, n, e->ids + e->n);
}

/* ---- splitting ---- */

/* The machine's stack does for nearly all texts; a larger one is made for the first that needs it.
 */
static int match(struct encoder *e, const char *s, size_t len, size_t from)
{
    int rc = pcre2_match(e->t->split, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK, e->match,
                         e->context);
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT || e->stack) return rc;
    e->stack = pcre2_jit_stack_create(32 * 1024, STACK_MAX, NULL);
    if (!e->stack) ptd_die(PTD_OSERR, "out of memory for PCRE2");
    pcre2_jit_stack_assign(e->context, NULL, e->stack);
    return pcre2_match(e->t->split, (PCRE2_SPTR)s, len, from, PCRE2_NO_UTF_CHECK, e->match,
                       e->context);
}

/* Each match is a piece, and so is each gap between matches. */
static int encode_normal(struct encoder *e, const char *s, size_t len)
{
    size_t done = 0, from = 0;
    while (from < len) {
        int rc = match(e, s, len, from);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        if (rc < 0)
            return ptd_fail(PTD_DATAERR,
                            "%s: the split pattern gives up on this text (PCRE2 error %d)",
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

/* Did others write any of these bytes, which are the text's or those of a composed stretch? */
static int is_data(const struct encoder *e, const char *s, size_t n)
{
    if (e->all_data || !e->is_data) return e->all_data;
    if (s < e->text || s >= e->text + e->len) return e->composed_data;
    return memchr(e->is_data + (s - e->text), 1, n) != NULL;
}

/* The longest token of the list that text begins with; NULL: none. Without `control`, none that is
 * a control token. */
static const struct ptd_added *added_here(const struct ptd_tokenizer *t,
                                          const struct ptd_added_list *list, const char *text,
                                          size_t len, int control)
{
    int first = (unsigned char)text[0];
    for (int i = list->at[first]; i < list->at[first + 1]; i++) {
        const struct ptd_added *k = &list->tokens[i];
        if (k->len <= len && !memcmp(t->text + k->at, text, k->len) &&
            (control || t->tokens[k->id].kind != PTD_TOKEN_SPECIAL))
            return k;
    }
    return NULL;
}

/* The same in what is encoded: what others wrote has no control tokens. */
static const struct ptd_added *
found_here(const struct encoder *e, const struct ptd_added_list *list, const char *s, size_t len)
{
    const struct ptd_added *found = added_here(e->t, list, s, len, 1);
    if (!found || e->t->tokens[found->id].kind != PTD_TOKEN_SPECIAL) return found;
    return is_data(e, s, found->len) ? added_here(e->t, list, s, len, 0) : found;
}

/* The list's tokens in text, and what lies between them by `rest`. */
static int encode_around(struct encoder *e, const struct ptd_added_list *list, const char *text,
                         size_t len, int (*rest)(struct encoder *e, const char *s, size_t len))
{
    size_t done = 0, i = list->n ? 0 : len;
    while (i < len) {
        const struct ptd_added *found = found_here(e, list, text + i, len - i);
        if (!found) {
            i++;
            continue;
        }
        if (rest(e, text + done, i - done) < 0) return -1;
        put_id(e, found->id);
        done = i += found->len;
    }
    return rest(e, text + done, len - done);
}

/* A stretch without added tokens of the first kind. */
static int encode_stretch(struct encoder *e, const char *s, size_t len)
{
    const struct ptd_added_list *normalized = &e->t->added[1];
    if (!e->t->nfc || ptd_token_is_nfc(s, len))
        return encode_around(e, normalized, s, len, encode_normal);
    size_t n;
    char *composed = ptd_token_nfc(s, len, &n);
    e->composed_data = is_data(e, s, len);
    int bad = encode_around(e, normalized, composed, n, encode_normal);
    free(composed);
    return bad;
}

static void encoder_init(struct encoder *e)
{
    e->merging.t = e->t;
    e->match = pcre2_match_data_create(1, NULL);
    e->context = pcre2_match_context_create(NULL);
    if (!e->match || !e->context) ptd_die(PTD_OSERR, "out of memory for PCRE2");
    pcre2_set_match_limit(e->context, MATCH_LIMIT);
    pcre2_set_heap_limit(e->context, HEAP_LIMIT);
}

static void encoder_clear(struct encoder *e)
{
    if (e->stack) pcre2_jit_stack_free(e->stack);
    pcre2_match_context_free(e->context);
    pcre2_match_data_free(e->match);
    ptd_merging_clear(&e->merging);
}

/* The text of e, in which nothing else is set. */
static int encode(struct encoder *e, int32_t **ids)
{
    *ids = NULL;
    if (e->len > TEXT_MAX)
        return ptd_fail(PTD_DATAERR, "text of %zu bytes, at most %u can be encoded", e->len,
                        TEXT_MAX);
    if (check_utf8(e->text, e->len) < 0) return -1;
    encoder_init(e);
    int bad = encode_around(e, &e->t->added[0], e->text, e->len, encode_stretch);
    encoder_clear(e);
    if (bad) {
        free(e->ids);
        return -1;
    }
    *ids = e->ids ? e->ids : ptd_alloc(sizeof **ids);
    return e->n;
}

int ptd_tokenizer_encode(const struct ptd_tokenizer *t, const char *text, size_t len, int32_t **ids)
{
    struct encoder e = {.t = t, .text = text, .len = len};
    return encode(&e, ids);
}

int ptd_tokenizer_encode_data(const struct ptd_tokenizer *t, const char *text, size_t len,
                              int32_t **ids)
{
    struct encoder e = {.t = t, .text = text, .len = len, .all_data = 1};
    return encode(&e, ids);
}

int ptd_tokenizer_encode_mixed(const struct ptd_tokenizer *t, const char *text, const char *is_data,
                               size_t len, int32_t **ids)
{
    struct encoder e = {.t = t, .text = text, .is_data = is_data, .len = len};
    return encode(&e, ids);
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

char *ptd_tokenizer_decode(const struct ptd_tokenizer *t, const int32_t *ids, size_t n,
                           int skip_special)
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

const char *ptd_tokenizer_bytes(const struct ptd_tokenizer *t, int32_t id, size_t *len)
{
    *len = is_shown(t, id, 1) ? t->tokens[id].len : 0;
    return *len ? t->text + t->tokens[id].at : "";
}

int ptd_tokenizer_size(const struct ptd_tokenizer *t)
{
    return t->size;
}

size_t ptd_tokenizer_memory(const struct ptd_tokenizer *t)
{
    return (size_t)t->size * (sizeof *t->tokens + sizeof *t->whole) + t->text_len +
           (t->slot_mask + 1) * sizeof *t->slots + (t->merge_mask + 1) * sizeof *t->merges;
}

int ptd_tokenizer_id(const struct ptd_tokenizer *t, const char *text)
{
    size_t len = strlen(text);
    if (!len) return -1;
    const struct ptd_added *found = added_here(t, &t->added[0], text, len, 1);
    if (found && found->len == len) return found->id;
    for (int i = 0; i < t->added[1].n; i++) {
        int32_t id = t->added[1].tokens[i].id; /* it may be looked for in another form */
        if (t->tokens[id].len == len && !memcmp(t->text + t->tokens[id].at, text, len)) return id;
    }
    return *ptd_token_slot(t, text, len);
}
