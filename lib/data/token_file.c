/* token_file: tokenizer.json into tables: tokens by id and by bytes, merges by pair, the compiled
 * split pattern. Encoding and decoding with them is token.c's. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "data/token_impl.h"

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
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_string(v) && !json_string_length(v));
}

/* ---- tokens ---- */

/* Token id, which must be new, with the len bytes that lie at the end of the text. */
static void put(struct ptd_tokenizer *t, int32_t id, int kind, size_t len)
{
    t->tokens[id] = (struct ptd_token){t->text_len, len, kind};
    t->text_len += len;
}

static void reserve_ids(struct ptd_tokenizer *t, int32_t id, int *cap)
{
    if (id >= t->size) t->size = id + 1;
    if (id < *cap) return;
    int old = *cap;
    *cap = 2 * id + 1024;
    t->tokens = ptd_realloc(t->tokens, *cap * sizeof *t->tokens);
    memset(t->tokens + old, 0, (*cap - old) * sizeof *t->tokens);
}

static int refuse_id(const struct ptd_tokenizer *t, const char *text, int n)
{
    return ptd_fail(PTD_DATAERR, "%s: token \"%.*s\": id must be a whole number from 0 to %d",
                    t->name, n, text, PTD_TOKEN_IDS_MAX - 1);
}

/* How much of a key is shown. */
static int shown(const struct ptd_token_reader *r, const char *key)
{
    int n = 0;
    while (n < SHOWN && key + n < r->end && key[n] != '"') n++;
    return n;
}

/* "token": id */
static int read_token(struct ptd_tokenizer *t, struct ptd_token_reader *r, int *cap)
{
    if (!ptd_token_read_char(r, '"'))
        return ptd_fail(PTD_DATAERR, "%s: model.vocab: expected a token", t->name);
    const char *key = r->p;
    int len = ptd_token_read_symbols(r, '"', t->text + t->text_len);
    if (len <= 0)
        return ptd_fail(PTD_DATAERR, "%s: token \"%.*s\": expected symbols of the byte alphabet",
                        t->name, shown(r, key), key);
    int32_t id = ptd_token_read_char(r, ':') ? ptd_token_read_id(r) : -1;
    if (id < 0) return refuse_id(t, key, shown(r, key));
    reserve_ids(t, id, cap);
    if (t->tokens[id].kind)
        return ptd_fail(PTD_DATAERR, "%s: token %d \"%.*s\": id is used twice", t->name, id,
                        shown(r, key), key);
    put(t, id, PTD_TOKEN_BASE, len);
    return 0;
}

/* All tokens so far by their bytes. */
static int index_tokens(struct ptd_tokenizer *t)
{
    size_t cap = 64;
    while (cap < 2 * (size_t)t->size) cap *= 2;
    t->slot_mask = cap - 1;
    t->slots = ptd_array(cap, sizeof *t->slots);
    memset(t->slots, 0xFF, cap * sizeof *t->slots);
    for (int32_t id = 0; id < t->size; id++) {
        if (!t->tokens[id].kind) continue;
        int32_t *slot = ptd_token_slot(t, t->text + t->tokens[id].at, t->tokens[id].len);
        if (*slot >= 0)
            return ptd_fail(PTD_DATAERR, "%s: tokens %d and %d have the same text", t->name, *slot,
                            id);
        *slot = id;
    }
    for (int b = 0; b < 256; b++) {
        t->byte_id[b] = *ptd_token_slot(t, &(char){b}, 1);
        if (t->byte_id[b] < 0)
            return ptd_fail(PTD_DATAERR, "%s: vocabulary lacks the byte 0x%02X", t->name, b);
    }
    return 0;
}

static int load_vocab(struct ptd_tokenizer *t, struct ptd_token_span vocab, int *cap)
{
    struct ptd_token_reader r;
    ptd_token_reader_init(&r, vocab);
    if (!ptd_token_read_char(&r, '}')) {
        do {
            if (read_token(t, &r, cap) < 0) return -1;
        } while (ptd_token_read_char(&r, ','));
        if (!ptd_token_read_char(&r, '}'))
            return ptd_fail(PTD_DATAERR, "%s: model.vocab: expected ',' or '}'", t->name);
    }
    return index_tokens(t);
}

/* The bytes to look for, where the text is normalised first: the token's own in that form. */
static struct ptd_added looked_for(struct ptd_tokenizer *t, int32_t id, int normalized)
{
    struct ptd_token k = t->tokens[id];
    if (!normalized || !t->nfc || ptd_token_is_nfc(t->text + k.at, k.len))
        return (struct ptd_added){id, k.at, k.len};
    size_t n;
    char *form = ptd_token_nfc(t->text + k.at, k.len, &n);
    struct ptd_added added = {id, t->text_len, n};
    memcpy(t->text + t->text_len, form, n);
    t->text_len += n;
    free(form);
    return added;
}

static int add_token(struct ptd_tokenizer *t, const json_t *a)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    const json_t *content = json_object_get(a, "content");
    const char *s = json_string_value(content);
    size_t len = json_string_length(content);
    int32_t id = json_integer_value(json_object_get(a, "id"));
    for (int f = 0; f < 3; f++)
        if (!is_unset(a, flags[f]))
            return ptd_fail(PTD_CONFIG, "%s: added token \"%.*s\": %s is not supported", t->name,
                            SHOWN, s, flags[f]);
    const struct ptd_token *old = &t->tokens[id];
    if (old->kind != PTD_TOKEN_ABSENT &&
        (old->kind != PTD_TOKEN_BASE || old->len != len || memcmp(t->text + old->at, s, len)))
        return ptd_fail(PTD_DATAERR, "%s: added token \"%.*s\": id %d is used twice", t->name,
                        SHOWN, s, id);
    memcpy(t->text + t->text_len, s, len);
    put(t, id, is_unset(a, "special") ? PTD_TOKEN_ADDED : PTD_TOKEN_SPECIAL, len);
    int normalized = !is_unset(a, "normalized");
    struct ptd_added_list *list = &t->added[normalized];
    list->tokens[list->n++] = looked_for(t, id, normalized);
    return 0;
}

/* Are the added tokens texts with ids? *room: bytes of all texts, and of their normal forms, which
 * are at most three times as long. */
static int measure_added(const struct ptd_tokenizer *t, const json_t *added, size_t *room)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i), *s = json_object_get(a, "content"),
                     *id = json_object_get(a, "id");
        if (!json_is_string(s) || !json_string_length(s))
            return ptd_fail(PTD_DATAERR, "%s: added_tokens[%zu]: content must be a text", t->name,
                            i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= PTD_TOKEN_IDS_MAX)
            return refuse_id(t, json_string_value(s), SHOWN);
        *room += json_string_length(s) * (is_unset(a, "normalized") ? 1 : 4);
    }
    return 0;
}

static int by_first_byte(const void *a, const void *b, void *tokenizer)
{
    const struct ptd_tokenizer *t = tokenizer;
    const struct ptd_added *x = a, *y = b;
    int dx = (unsigned char)t->text[x->at], dy = (unsigned char)t->text[y->at];
    if (dx != dy) return dx - dy;
    if (x->len != y->len) return x->len < y->len ? 1 : -1;
    return memcmp(t->text + x->at, t->text + y->at, x->len);
}

static int sort_added(struct ptd_tokenizer *t, struct ptd_added_list *list)
{
    qsort_r(list->tokens, list->n, sizeof *list->tokens, by_first_byte, t);
    for (int i = 1; i < list->n; i++)
        if (!by_first_byte(&list->tokens[i - 1], &list->tokens[i], t))
            return ptd_fail(PTD_DATAERR, "%s: added tokens %d and %d have the same text", t->name,
                            list->tokens[i - 1].id, list->tokens[i].id);
    for (int b = 0, i = 0; b <= 256; b++) {
        while (i < list->n && (unsigned char)t->text[list->tokens[i].at] < b) i++;
        list->at[b] = i;
    }
    return 0;
}

static int load_added(struct ptd_tokenizer *t, const json_t *added, int *cap)
{
    int n = json_array_size(added);
    for (int kind = 0; kind < 2; kind++)
        t->added[kind].tokens = ptd_array(n + 1, sizeof *t->added[kind].tokens);
    for (int i = 0; i < n; i++) {
        reserve_ids(t, json_integer_value(json_object_get(json_array_get(added, i), "id")), cap);
        if (add_token(t, json_array_get(added, i)) < 0) return -1;
    }
    return sort_added(t, &t->added[0]) < 0 ? -1 : sort_added(t, &t->added[1]);
}

/* ---- merges ---- */

/* The two sides of a merge, "a b" or ["a", "b"], one behind the other into room; their lengths into
 * n. */
static int read_sides(struct ptd_token_reader *r, char *room, int n[2])
{
    int is_array = ptd_token_read_char(r, '[');
    if (!ptd_token_read_char(r, '"') ||
        (n[0] = ptd_token_read_symbols(r, is_array ? '"' : ' ', room)) <= 0)
        return -1;
    if (is_array && (!ptd_token_read_char(r, ',') || !ptd_token_read_char(r, '"'))) return -1;
    if ((n[1] = ptd_token_read_symbols(r, '"', room + n[0])) <= 0) return -1;
    return is_array && !ptd_token_read_char(r, ']') ? -1 : 0;
}

static int read_merge(const struct ptd_tokenizer *t, struct ptd_token_reader *r, char *room,
                      struct ptd_merge *m)
{
    int n[2];
    if (read_sides(r, room, n) < 0)
        return ptd_fail(PTD_DATAERR,
                        "%s: merges[%d]: expected two tokens, as \"a b\" or [\"a\", \"b\"]",
                        t->name, m->rank);
    m->left = *ptd_token_slot(t, room, n[0]);
    m->right = *ptd_token_slot(t, room + n[0], n[1]);
    m->id = *ptd_token_slot(t, room, n[0] + n[1]);
    if (m->left >= 0 && m->right >= 0 && m->id >= 0) return 0;
    return ptd_fail(PTD_DATAERR, "%s: merges[%d]: a side or the result is not in the vocabulary",
                    t->name, m->rank);
}

/* All merges into *list (malloc'd); their count, or -1. */
static int read_merges(const struct ptd_tokenizer *t, struct ptd_token_reader *r, char *room,
                       struct ptd_merge **list)
{
    int n = 0, cap = 0;
    if (ptd_token_read_char(r, ']')) return 0;
    do {
        if (n == MERGES_MAX)
            return ptd_fail(PTD_DATAERR, "%s: merges: over %d", t->name, MERGES_MAX);
        if (n == cap) *list = ptd_realloc(*list, (cap = 2 * cap + 1024) * sizeof **list);
        (*list)[n].rank = n;
        if (read_merge(t, r, room, &(*list)[n]) < 0) return -1;
        n++;
    } while (ptd_token_read_char(r, ','));
    return ptd_token_read_char(r, ']')
               ? n
               : ptd_fail(PTD_DATAERR, "%s: merges: expected ',' or ']'", t->name);
}

static int index_merges(struct ptd_tokenizer *t, const struct ptd_merge *list, int n)
{
    ptd_token_merges_init(t, n);
    for (int i = 0; i < n; i++) {
        struct ptd_merge *slot = ptd_token_merge_slot(t, list[i].left, list[i].right);
        if (slot->rank != INT32_MAX)
            return ptd_fail(PTD_DATAERR, "%s: merges[%d]: the same pair as merges[%d]", t->name, i,
                            slot->rank);
        *slot = list[i];
    }
    return 0;
}

static int load_merges(struct ptd_tokenizer *t, struct ptd_token_span merges)
{
    struct ptd_token_reader r;
    struct ptd_merge *list = NULL;
    char *room = ptd_alloc(merges.len + 1);
    ptd_token_reader_init(&r, merges);
    int n = read_merges(t, &r, room, &list);
    int bad = n < 0 || index_merges(t, list, n) < 0;
    free(room);
    free(list);
    return bad ? -1 : 0;
}

/* ---- the steps around the model ---- */

static int load_split(struct ptd_tokenizer *t, const json_t *s)
{
    const char *regex = json_string_value(json_object_get(json_object_get(s, "pattern"), "Regex"));
    if (!is(s, "type", "Split")) return refuse(t, "a pre_tokenizer that does not begin with Split");
    if (!is(s, "behavior", "Isolated") || !is_unset(s, "invert"))
        return refuse(t, "a Split other than Isolated");
    if (!regex) return refuse(t, "a Split pattern that is not a Regex");
    t->split = ptd_token_split(regex, t->name);
    return t->split ? 0 : -1;
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

/* Does it put nothing around a text: is `single` the text alone? */
static int is_bare_template(const json_t *post)
{
    const json_t *single = json_object_get(post, "single");
    return is(post, "type", "TemplateProcessing") && json_array_size(single) == 1 &&
           is(json_object_get(json_array_get(single, 0), "Sequence"), "id", "A");
}

/* What comes behind the model must change no ids. */
static int check_post(struct ptd_tokenizer *t, const json_t *post)
{
    if (is_bare_template(post)) return 0;
    if (is(post, "type", "TemplateProcessing"))
        return refuse(t, "a post_processor of TemplateProcessing that adds tokens");
    return check_byte_level(t, post, "post_processor");
}

static int check_posts(struct ptd_tokenizer *t, const json_t *post)
{
    const json_t *list = json_object_get(post, "processors");
    if (!is(post, "type", "Sequence") || !json_is_array(list)) return check_post(t, post);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (check_post(t, json_array_get(list, i)) < 0) return -1;
    return 0;
}

static int load_steps(struct ptd_tokenizer *t, const json_t *root)
{
    const json_t *pre = json_object_get(root, "pre_tokenizer"),
                 *seq = json_object_get(pre, "pretokenizers");
    const json_t *post = json_object_get(root, "post_processor");
    if (!is_unset(root, "normalizer")) {
        if (!is(json_object_get(root, "normalizer"), "type", "NFC"))
            return refuse(t, "a normalizer other than NFC");
        t->nfc = 1;
    }
    if (!is(pre, "type", "Sequence") || json_array_size(seq) < 1 || json_array_size(seq) > 2)
        return refuse(t, "a pre_tokenizer other than Sequence of Split and ByteLevel");
    if (load_split(t, json_array_get(seq, 0)) < 0) return -1;
    if (json_array_size(seq) == 2 &&
        check_byte_level(t, json_array_get(seq, 1), "pre_tokenizer") < 0)
        return -1;
    if (post && !json_is_null(post) && check_posts(t, post) < 0) return -1;
    return check_byte_level(t, json_object_get(root, "decoder"), "decoder");
}

static int check_model(struct ptd_tokenizer *t, const json_t *model)
{
    static const char *const unsupported[] = {"dropout",
                                              "unk_token",
                                              "continuing_subword_prefix",
                                              "end_of_word_suffix",
                                              "fuse_unk",
                                              "byte_fallback",
                                              "ignore_merges"};
    if (!is(model, "type", "BPE")) return refuse(t, "a model other than BPE");
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (!is_unset(model, unsupported[i]))
            return ptd_fail(PTD_CONFIG, "%s: model.%s is not supported", t->name, unsupported[i]);
    return 0;
}

static int expect(struct ptd_tokenizer *t, const char *what, int is_there)
{
    return is_there
               ? 0
               : ptd_fail(PTD_DATAERR, "%s: %s is of another JSON type, or missing", t->name, what);
}

static int load(struct ptd_tokenizer *t, const json_t *root, const struct ptd_token_parts *parts)
{
    const json_t *added = json_object_get(root, "added_tokens");
    size_t room = parts->vocab.len;
    int cap = 0;
    if (check_model(t, json_object_get(root, "model")) < 0 || load_steps(t, root) < 0) return -1;
    if (expect(t, "model.vocab", parts->vocab.text != NULL) < 0 ||
        expect(t, "model.merges", parts->merges.text != NULL) < 0 ||
        expect(t, "added_tokens", !added || json_is_array(added)) < 0)
        return -1;
    if (json_array_size(added) > ADDED_MAX)
        return ptd_fail(PTD_DATAERR, "%s: added_tokens: over %d", t->name, ADDED_MAX);
    if (measure_added(t, added, &room) < 0) return -1;
    t->text = ptd_alloc(room + 1);
    if (load_vocab(t, parts->vocab, &cap) < 0 || load_merges(t, parts->merges) < 0 ||
        load_added(t, added, &cap) < 0)
        return -1;
    t->text = ptd_realloc(t->text, t->text_len + 1);
    t->whole = ptd_alloc(t->size + 1);
    return 0;
}

/* Of a file that could not be read: if all of it is no JSON, that is the reason to give, with its
 * line. */
static void check_syntax(const char *json, size_t len, const char *name)
{
    json_error_t e;
    json_t *all = ptd_json_load(json, len, JSON_REJECT_DUPLICATES, &e);
    if (!all) ptd_fail(PTD_DATAERR, "%s:%d: %s", name, e.line, e.text);
    json_decref(all);
}

struct ptd_tokenizer *ptd_tokenizer_new(const char *json, size_t len, const char *name)
{
    struct ptd_token_parts parts;
    if (len > FILE_MAX) {
        ptd_fail(PTD_DATAERR, "%s: over %u MiB, too long for a tokenizer.json", name,
                 FILE_MAX >> 20);
        return NULL;
    }
    ptd_token_cut(json, len, &parts);
    json_t *root = ptd_json_load(parts.rest, parts.rest_len, JSON_REJECT_DUPLICATES, NULL);
    struct ptd_tokenizer *t = ptd_alloc(sizeof *t);
    t->name = ptd_strdup(name);
    ptd_fail(PTD_DATAERR, "%s: not a tokenizer.json", name);
    if (!root || load(t, root, &parts) < 0) {
        check_syntax(json, len, name);
        ptd_tokenizer_free(t);
        t = NULL;
    }
    json_decref(root);
    free(parts.rest);
    return t;
}

void ptd_tokenizer_free(struct ptd_tokenizer *t)
{
    if (!t) return;
    if (t->split) pcre2_code_free(t->split);
    for (int kind = 0; kind < 2; kind++) free(t->added[kind].tokens);
    free(t->merges);
    free(t->whole);
    free(t->slots);
    free(t->text);
    free(t->tokens);
    free(t->name);
    free(t);
}
