/* token_file: tokenizer.json into tables: tokens by id and by bytes, merges by pair, the compiled split
 * pattern. Encoding and decoding with them is token.c's. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "token_impl.h"

#define FILE_MAX   (64u << 20)
#define MERGES_MAX 4000000
#define ADDED_MAX  65536
#define SHOWN      40 /* bytes of a token shown in a message */

static int refuse(const struct ptd_tokenizer *t, const char *what)
{
    return ptd_fail(PTD_CONFIG, "%s: %s is not supported", t->name, what);
}

static int is(const json_t *object, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s && !strcmp(s, value);
}

/* absent, null, false or "" */
static int is_unset(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return !v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_string_length(v));
}

/* ---- hashes ---- */

static size_t slots_for(size_t n)
{
    size_t cap = 64;
    while (cap < 2 * n) cap *= 2;
    return cap;
}

static size_t pair_hash(int32_t left, int32_t right)
{
    uint64_t k = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15ull;
    return k ^ k >> 32;
}

int32_t ptd_token_find(const struct ptd_tokenizer *t, const void *bytes, size_t len)
{
    size_t i = XXH3_64bits(bytes, len) & t->slot_mask;
    for (; t->slots[i] >= 0; i = (i + 1) & t->slot_mask) {
        const struct ptd_token *k = &t->tokens[t->slots[i]];
        if (k->len == len && !memcmp(t->text + k->at, bytes, len)) break;
    }
    return t->slots[i];
}

static struct ptd_merge *merge_slot(const struct ptd_tokenizer *t, int32_t left, int32_t right)
{
    size_t i = pair_hash(left, right) & t->merge_mask;
    while (t->merges[i].rank >= 0 && (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & t->merge_mask;
    return &t->merges[i];
}

const struct ptd_merge *ptd_token_merge(const struct ptd_tokenizer *t, int32_t left, int32_t right)
{
    const struct ptd_merge *m = merge_slot(t, left, right);
    return m->rank < 0 ? NULL : m;
}

/* ---- the byte alphabet ---- */

static int is_own_symbol(int b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

/* Byte that a code point of a vocabulary file stands for, -1 if none: own symbols first, the other 68 from
 * U+0100 on. */
static int symbol_byte(uint32_t c)
{
    if (c < 256) return is_own_symbol(c) ? (int)c : -1;
    int k = c - 256;
    for (int b = 0; b < 256; b++)
        if (!is_own_symbol(b) && !k--) return b;
    return -1;
}

static void symbol_table(int16_t byte_of[0x144])
{
    for (int c = 0; c < 0x144; c++) byte_of[c] = symbol_byte(c);
}

/* The bytes that s (valid UTF-8) stands for, into out (at least n bytes); their count, or -1. */
static int unmap(const int16_t byte_of[0x144], const char *s, size_t n, char *out)
{
    int len = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = (unsigned char)s[i];
        if (c >= 0xE0) return -1;
        if (c >= 0xC0) c = (c & 0x1F) << 6 | (s[++i] & 0x3F);
        if (c >= 0x144 || byte_of[c] < 0) return -1;
        out[len++] = byte_of[c];
    }
    return len;
}

/* ---- tokens ---- */

static int check_id(const struct ptd_tokenizer *t, const json_t *id, const char *text)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < PTD_TOKEN_IDS_MAX)
        return 0;
    return ptd_fail(PTD_DATAERR, "%s: token \"%.*s\": id must be a whole number from 0 to %d", t->name, SHOWN,
                    text, PTD_TOKEN_IDS_MAX - 1);
}

/* First look at all tokens: ids in range, room needed. */
static int measure(struct ptd_tokenizer *t, json_t *vocab, const json_t *added, size_t *room)
{
    const char *key;
    json_t *id;
    int last = -1;
    json_object_foreach(vocab, key, id)
    {
        if (check_id(t, id, key) < 0) return -1;
        if (json_integer_value(id) > last) last = json_integer_value(id);
        *room += strlen(key);
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i), *s = json_object_get(a, "content");
        if (!json_is_string(s) || !json_string_length(s))
            return ptd_fail(PTD_DATAERR, "%s: added_tokens[%zu]: content must be a text", t->name, i);
        if (check_id(t, json_object_get(a, "id"), json_string_value(s)) < 0) return -1;
        if (json_integer_value(json_object_get(a, "id")) > last)
            last = json_integer_value(json_object_get(a, "id"));
        *room += json_string_length(s);
    }
    t->size = last + 1;
    return 0;
}

static void put(struct ptd_tokenizer *t, int32_t id, int kind, size_t len)
{
    t->tokens[id] = (struct ptd_token){t->text_len, len, kind};
    t->text_len += len;
}

static int load_vocab(struct ptd_tokenizer *t, const int16_t *byte_of, json_t *vocab)
{
    const char *key;
    json_t *value;
    json_object_foreach(vocab, key, value)
    {
        int32_t id = json_integer_value(value);
        char *bytes = t->text + t->text_len;
        int len = unmap(byte_of, key, strlen(key), bytes);
        if (len <= 0)
            return ptd_fail(PTD_DATAERR, "%s: token %d \"%.*s\": expected symbols of the byte alphabet",
                            t->name, id, SHOWN, key);
        if (t->tokens[id].kind)
            return ptd_fail(PTD_DATAERR, "%s: token %d \"%.*s\": id is used twice", t->name, id, SHOWN, key);
        size_t i = XXH3_64bits(bytes, len) & t->slot_mask;
        while (t->slots[i] >= 0) i = (i + 1) & t->slot_mask;
        t->slots[i] = id;
        put(t, id, PTD_TOKEN_BASE, len);
    }
    for (int b = 0; b < 256; b++) {
        t->byte_id[b] = ptd_token_find(t, &(char){b}, 1);
        if (t->byte_id[b] < 0)
            return ptd_fail(PTD_DATAERR, "%s: vocabulary lacks the byte 0x%02X", t->name, b);
    }
    return 0;
}

static int add_token(struct ptd_tokenizer *t, const json_t *a)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized"};
    const json_t *content = json_object_get(a, "content");
    const char *s = json_string_value(content);
    size_t len = json_string_length(content);
    int32_t id = json_integer_value(json_object_get(a, "id"));
    for (int f = 0; f < 4; f++)
        if (!is_unset(a, flags[f]))
            return ptd_fail(PTD_CONFIG, "%s: added token \"%.*s\": %s is not supported", t->name, SHOWN, s,
                            flags[f]);
    const struct ptd_token *old = &t->tokens[id];
    if (old->kind != PTD_TOKEN_ABSENT &&
        (old->kind != PTD_TOKEN_BASE || old->len != len || memcmp(t->text + old->at, s, len)))
        return ptd_fail(PTD_DATAERR, "%s: added token \"%.*s\": id %d is used twice", t->name, SHOWN, s, id);
    memcpy(t->text + t->text_len, s, len);
    put(t, id, is_unset(a, "special") ? PTD_TOKEN_ADDED : PTD_TOKEN_SPECIAL, len);
    return 0;
}

static int by_first_byte(const void *a, const void *b, void *tokenizer)
{
    const struct ptd_tokenizer *t = tokenizer;
    int32_t i, j;
    memcpy(&i, a, sizeof i), memcpy(&j, b, sizeof j);
    const struct ptd_token *x = &t->tokens[i], *y = &t->tokens[j];
    int dx = (unsigned char)t->text[x->at], dy = (unsigned char)t->text[y->at];
    if (dx != dy) return dx - dy;
    if (x->len != y->len) return x->len < y->len ? 1 : -1;
    return memcmp(t->text + x->at, t->text + y->at, x->len);
}

static int load_added(struct ptd_tokenizer *t, const json_t *added)
{
    int n = json_array_size(added);
    t->added = ptd_array(n + 1, sizeof *t->added);
    for (int i = 0; i < n; i++) {
        if (add_token(t, json_array_get(added, i)) < 0) return -1;
        t->added[i] = json_integer_value(json_object_get(json_array_get(added, i), "id"));
    }
    qsort_r(t->added, n, sizeof *t->added, by_first_byte, t);
    for (int i = 1; i < n; i++)
        if (!by_first_byte(&t->added[i - 1], &t->added[i], t))
            return ptd_fail(PTD_DATAERR, "%s: added tokens %d and %d have the same text", t->name,
                            t->added[i - 1], t->added[i]);
    for (int b = 0, i = 0; b <= 256; b++) {
        while (i < n && (unsigned char)t->text[t->tokens[t->added[i]].at] < b) i++;
        t->added_at[b] = i;
    }
    return 0;
}

/* ---- merges ---- */

/* The two sides of merge `m`: "a b" or ["a", "b"]; lengths in n. */
static int merge_sides(const json_t *m, const char *side[2], size_t n[2])
{
    if (json_is_array(m) && json_array_size(m) == 2) {
        for (int k = 0; k < 2; k++) {
            side[k] = json_string_value(json_array_get(m, k));
            n[k] = json_string_length(json_array_get(m, k));
        }
        return side[0] && side[1] ? 0 : -1;
    }
    const char *s = json_string_value(m), *space = s ? strchr(s, ' ') : NULL;
    if (!space || strchr(space + 1, ' ')) return -1;
    side[0] = s, n[0] = space - s;
    side[1] = space + 1, n[1] = strlen(space + 1);
    return 0;
}

static int load_merge(struct ptd_tokenizer *t, const int16_t *byte_of, int rank, const json_t *m, char *room)
{
    const char *side[2];
    size_t n[2];
    int a = -1, b = -1;
    if (merge_sides(m, side, n) == 0 && (a = unmap(byte_of, side[0], n[0], room)) > 0)
        b = unmap(byte_of, side[1], n[1], room + a);
    if (b <= 0)
        return ptd_fail(PTD_DATAERR, "%s: merges[%d]: expected two tokens, as \"a b\" or [\"a\", \"b\"]",
                        t->name, rank);
    int32_t left = ptd_token_find(t, room, a), right = ptd_token_find(t, room + a, b);
    int32_t id = ptd_token_find(t, room, a + b);
    if (left < 0 || right < 0 || id < 0)
        return ptd_fail(PTD_DATAERR, "%s: merges[%d]: a side or the result is not in the vocabulary", t->name,
                        rank);
    struct ptd_merge *slot = merge_slot(t, left, right);
    if (slot->rank >= 0)
        return ptd_fail(PTD_DATAERR, "%s: merges[%d]: the same pair as merges[%d]", t->name, rank,
                        slot->rank);
    *slot = (struct ptd_merge){left, right, rank, id};
    return 0;
}

static size_t longest_text(const json_t *v)
{
    return json_is_array(v)
               ? json_string_length(json_array_get(v, 0)) + json_string_length(json_array_get(v, 1))
               : json_string_length(v);
}

static int load_merges(struct ptd_tokenizer *t, const int16_t *byte_of, const json_t *merges)
{
    size_t n = json_array_size(merges), longest = 0;
    t->merge_mask = slots_for(n) - 1;
    t->merges = ptd_array(t->merge_mask + 1, sizeof *t->merges);
    for (size_t i = 0; i <= t->merge_mask; i++) t->merges[i].rank = -1;
    for (size_t i = 0; i < n; i++) {
        size_t len = longest_text(json_array_get(merges, i));
        if (len > longest) longest = len;
    }
    char *room = ptd_alloc(longest + 1);
    int bad = 0;
    for (size_t i = 0; i < n && !bad; i++) bad = load_merge(t, byte_of, i, json_array_get(merges, i), room);
    free(room);
    return bad;
}

/* ---- the steps around the model ---- */

/* The file's engine takes \s as the 25 White_Space code points; PCRE2's own \s has one more (U+180E). */
static char *translate(const char *pattern)
{
    char *out = ptd_alloc(strlen(pattern) * 9 + 1), *o = out;
    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && (p[1] == 's' || p[1] == 'S'))
            o += sprintf(o, "\\%c{White_Space}", *++p == 's' ? 'p' : 'P');
        else if (*p == '\\' && p[1])
            *o++ = *p, *o++ = *++p;
        else
            *o++ = *p;
    }
    return out;
}

static int compile(struct ptd_tokenizer *t, const char *pattern)
{
    char *translated = translate(pattern);
    int code;
    PCRE2_SIZE at;
    t->split = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    free(translated);
    if (!t->split) {
        char why[120];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return ptd_fail(PTD_CONFIG, "%s: split pattern: %s", t->name, why);
    }
    pcre2_jit_compile(t->split, PCRE2_JIT_COMPLETE); /* without it matching works too, only slower */
    return 0;
}

static int load_split(struct ptd_tokenizer *t, const json_t *s)
{
    const char *regex = json_string_value(json_object_get(json_object_get(s, "pattern"), "Regex"));
    if (!is(s, "type", "Split")) return refuse(t, "a pre_tokenizer that does not begin with Split");
    if (!is(s, "behavior", "Isolated") || !is_unset(s, "invert"))
        return refuse(t, "a Split other than Isolated");
    if (!regex) return refuse(t, "a Split pattern that is not a Regex");
    return compile(t, regex);
}

static int check_byte_level(struct ptd_tokenizer *t, const json_t *b, const char *where)
{
    if (!is(b, "type", "ByteLevel"))
        return ptd_fail(PTD_CONFIG, "%s: %s: only ByteLevel is supported", t->name, where);
    if (!strcmp(where, "pre_tokenizer") &&
        (!is_unset(b, "add_prefix_space") || json_is_true(json_object_get(b, "use_regex"))))
        return refuse(t, "ByteLevel with add_prefix_space or use_regex");
    return 0;
}

static int load_steps(struct ptd_tokenizer *t, const json_t *root)
{
    const json_t *pre = json_object_get(root, "pre_tokenizer"), *seq = json_object_get(pre, "pretokenizers");
    const json_t *post = json_object_get(root, "post_processor");
    if (!is_unset(root, "normalizer")) {
        if (!is(json_object_get(root, "normalizer"), "type", "NFC"))
            return refuse(t, "a normalizer other than NFC");
        t->nfc = 1;
    }
    if (!is(pre, "type", "Sequence") || json_array_size(seq) < 1 || json_array_size(seq) > 2)
        return refuse(t, "a pre_tokenizer other than Sequence of Split and ByteLevel");
    if (load_split(t, json_array_get(seq, 0)) < 0) return -1;
    if (json_array_size(seq) == 2 && check_byte_level(t, json_array_get(seq, 1), "pre_tokenizer") < 0)
        return -1;
    if (post && !json_is_null(post) && check_byte_level(t, post, "post_processor") < 0) return -1;
    return check_byte_level(t, json_object_get(root, "decoder"), "decoder");
}

static int check_model(struct ptd_tokenizer *t, const json_t *model)
{
    static const char *const unsupported[] = {
        "dropout",       "unk_token",    "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
        "byte_fallback", "ignore_merges"};
    if (!is(model, "type", "BPE")) return refuse(t, "a model other than BPE");
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (!is_unset(model, unsupported[i]))
            return ptd_fail(PTD_CONFIG, "%s: model.%s is not supported", t->name, unsupported[i]);
    return 0;
}

static int check_size(struct ptd_tokenizer *t, const char *what, int type_is_right, size_t n, size_t max)
{
    if (type_is_right && n <= max) return 0;
    return ptd_fail(PTD_DATAERR, "%s: %s: expected %s", t->name, what,
                    type_is_right ? "fewer entries" : "another JSON type, or it is missing");
}

static int load(struct ptd_tokenizer *t, const json_t *root)
{
    json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges"), *added = json_object_get(root, "added_tokens");
    int16_t byte_of[0x144];
    size_t room = 0;
    if (check_model(t, model) < 0 || load_steps(t, root) < 0) return -1;
    if (check_size(t, "model.vocab", json_is_object(vocab), json_object_size(vocab), PTD_TOKEN_IDS_MAX) < 0)
        return -1;
    if (check_size(t, "model.merges", json_is_array(merges), json_array_size(merges), MERGES_MAX) < 0)
        return -1;
    if (check_size(t, "added_tokens", !added || json_is_array(added), json_array_size(added), ADDED_MAX) < 0)
        return -1;
    if (measure(t, vocab, added, &room) < 0) return -1;
    symbol_table(byte_of);
    t->tokens = ptd_array(t->size + 1, sizeof *t->tokens);
    t->text = ptd_alloc(room + 1);
    t->slot_mask = slots_for(json_object_size(vocab)) - 1;
    t->slots = ptd_array(t->slot_mask + 1, sizeof *t->slots);
    memset(t->slots, 0xFF, (t->slot_mask + 1) * sizeof *t->slots);
    if (load_vocab(t, byte_of, vocab) < 0 || load_merges(t, byte_of, merges) < 0) return -1;
    return load_added(t, added);
}

struct ptd_tokenizer *ptd_tokenizer_new(const char *json, size_t len, const char *name)
{
    json_error_t e;
    if (len > FILE_MAX) {
        ptd_fail(PTD_DATAERR, "%s: over %u MiB, too long for a tokenizer.json", name, FILE_MAX >> 20);
        return NULL;
    }
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &e);
    if (!root) {
        ptd_fail(PTD_DATAERR, "%s:%d: %s", name, e.line, e.text);
        return NULL;
    }
    struct ptd_tokenizer *t = ptd_alloc(sizeof *t);
    t->name = ptd_strdup(name);
    if (load(t, root) < 0) {
        ptd_tokenizer_free(t);
        t = NULL;
    }
    json_decref(root);
    return t;
}

void ptd_tokenizer_free(struct ptd_tokenizer *t)
{
    if (!t) return;
    if (t->split) pcre2_code_free(t->split);
    free(t->added);
    free(t->merges);
    free(t->slots);
    free(t->text);
    free(t->tokens);
    free(t->name);
    free(t);
}
