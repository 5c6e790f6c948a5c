/* Frames as JSON and as text.
 * Leaves to ptd-dump: which frames; to show_store.c: stores. */
#include "view/show.h"
#include "base/escape.h"
#include "base/half.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "flow/pack.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SHORT 16 /* entries of an array that are always shown */

static json_t *show_object(const msgpack_object *o, int flags);

/* ---- values ---- */

json_t *ptd_show_text(const char *s, size_t n)
{
    json_t *j = json_stringn(s, n);
    if (j) return j;
    char *fixed = ptd_utf8(s, n, &n);
    j = json_stringn(fixed, n);
    free(fixed);
    return j;
}

json_t *ptd_show_number(double x)
{
    if (isnan(x)) return json_string("NaN");
    return isinf(x) ? json_string(x > 0 ? "Infinity" : "-Infinity") : json_real(x);
}

/* A float32 as the shortest decimal of up to `digits` that a person expects: 0.1, not 0.100000001.
 */
static json_t *show_float(float x, int flags)
{
    char text[32];
    if (!isfinite(x)) return ptd_show_number(x);
    snprintf(text, sizeof text, "%.*g", flags & PTD_SHOW_FULL ? 9 : 7, x);
    return json_real(strtod(text, NULL));
}

json_t *ptd_show_digest(const void *p, size_t n)
{
    return json_sprintf("%016llx", (unsigned long long)XXH3_64bits(p, n));
}

static json_t *summary(const char *type, uint64_t n, const void *p, size_t bytes)
{
    return json_pack("{s:I, s:o}", type, (json_int_t)n, "xxh3", ptd_show_digest(p, bytes));
}

static json_t *show_entry(int type, const char *p, int flags)
{
    int32_t i;
    float x;
    uint16_t h;
    if (type == 1) return memcpy(&i, p, 4), json_integer(i);
    if (type == 2) return memcpy(&x, p, 4), show_float(x, flags);
    return memcpy(&h, p, 2), show_float(ptd_unhalf(h), flags);
}

static json_t *show_ext(const msgpack_object_ext *e, int flags)
{
    static const char *const names[] = {"", "int32", "float32", "float16"};
    if (e->type < 1 || e->type > 3) {
        char name[16];
        snprintf(name, sizeof name, "ext%d", e->type);
        return summary(name, e->size, e->ptr, e->size);
    }
    size_t width = e->type == 3 ? 2 : 4, n = e->size / width;
    if (n > SHORT && !(flags & PTD_SHOW_FULL)) return summary(names[e->type], n, e->ptr, e->size);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, show_entry(e->type, e->ptr + i * width, flags));
    return list;
}

static json_t *show_array(const msgpack_object_array *a, int flags)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->size; i++)
        json_array_append_new(list, show_object(&a->ptr[i], flags));
    return list;
}

/* Jansson has no setter for a key that holds any bytes, so a key is made valid text first. */
static void show_pair(json_t *map, const msgpack_object_kv *kv, int flags)
{
    json_t *key = kv->key.type == MSGPACK_OBJECT_STR
                      ? ptd_show_text(kv->key.via.str.ptr, kv->key.via.str.size)
                      : NULL;
    json_object_set_new(map, key ? json_string_value(key) : "?", show_object(&kv->val, flags));
    json_decref(key);
}

static void show_pairs(json_t *map, const msgpack_object *o, int flags)
{
    for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++)
        show_pair(map, &o->via.map.ptr[i], flags);
}

static json_t *show_map(const msgpack_object *o, int flags)
{
    json_t *map = json_object();
    show_pairs(map, o, flags);
    return map;
}

static json_t *show_object(const msgpack_object *o, int flags)
{
    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(o->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (o->via.u64 > INT64_MAX) return json_sprintf("%016llx", (unsigned long long)o->via.u64);
        return json_integer((json_int_t)o->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(o->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
        return show_float((float)o->via.f64, flags);
    case MSGPACK_OBJECT_FLOAT64:
        return ptd_show_number(o->via.f64);
    case MSGPACK_OBJECT_STR:
        return ptd_show_text(o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return show_array(&o->via.array, flags);
    case MSGPACK_OBJECT_MAP:
        return show_map(o, flags);
    case MSGPACK_OBJECT_BIN:
        return summary("bin", o->via.bin.size, o->via.bin.ptr, o->via.bin.size);
    case MSGPACK_OBJECT_EXT:
        return show_ext(&o->via.ext, flags);
    default:
        return json_null();
    }
}

/* Digests in step and end bodies are numbers; people compare them as hex, always 16 digits. */
static void show_digest_field(json_t *j, const msgpack_object *o)
{
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        const msgpack_object_kv *kv = &o->via.map.ptr[i];
        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == 6 &&
            !memcmp(kv->key.via.str.ptr, "digest", 6))
            json_object_set_new(j, "digest",
                                json_sprintf("%016llx", (unsigned long long)kv->val.via.u64));
    }
}

json_t *ptd_show_frame(const struct ptd_frame *f, int flags)
{
    static const char *const kinds[] = {"?", "head", "group", "step", "end"};
    msgpack_unpacked u;
    if (ptd_pack_open(&u, f->body, f->body_len) < 0) return NULL;
    json_t *j = json_pack("{s:s, s:I, s:I}", "kind", kinds[f->kind], "record", (json_int_t)f->seq,
                          "byte", (json_int_t)f->offset);
    show_pairs(j, &u.data, flags);
    if (f->kind >= PTD_STEP) show_digest_field(j, &u.data);
    msgpack_unpacked_destroy(&u);
    return j;
}

/* ---- printing ---- */

/* Escaped as JSON has it: what a terminal would obey, but for the newlines of PTD_SHOW_PRETTY. */
static void put_json(const char *s)
{
    char piece[PTD_ESCAPED];
    for (int took, len; *s; s += took) {
        took = ptd_escape(s, piece, &len);
        if (*s == '\n')
            putchar('\n');
        else if (took == 1 && len > 1)
            printf("\\u%04x", (unsigned char)*s);
        else
            fwrite(piece, 1, (size_t)len, stdout);
    }
}

void ptd_show_json(json_t *j, size_t form)
{
    char *text = json_dumps(j, form);
    if (!text) ptd_die(PTD_OSERR, "out of memory");
    put_json(text);
    putchar('\n');
    free(text);
    json_decref(j);
}

void ptd_show_print(json_t *j, int flags)
{
    size_t form = flags & PTD_SHOW_PRETTY ? JSON_INDENT(2) : JSON_COMPACT;
    ptd_show_json(j, form | JSON_ENCODE_ANY | JSON_REAL_PRECISION(flags & PTD_SHOW_FULL ? 17 : 10));
}

/* ---- text for people ---- */

void ptd_show_line(const char *s)
{
    char *text = ptd_printable(s);
    fputs(text, stdout);
    free(text);
}

/* One line or its part, without the newline. */
__attribute__((format(printf, 1, 2))) static void show(const char *fmt, ...)
{
    va_list ap;
    char *text;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) ptd_die(PTD_OSERR, "out of memory");
    ptd_show_line(text);
    free(text);
}

void ptd_show_head_text(const struct ptd_head *h)
{
    show("run %s, data %s, mode %s, seed %lld, %d rollouts per prompt, %d prompts per step",
         h->store ? h->store : "-", h->data ? h->data : "-", h->mode ? h->mode : "-",
         (long long)h->seed, h->group_size, h->step_groups);
    putchar('\n');
    for (int i = 0; i < h->n_stages; i++) {
        show("  %s%s", i ? "| " : "", h->stages[i].command ? h->stages[i].command : "?");
        putchar('\n');
    }
}

/* Every line of s behind the indent. */
static void show_lines(const char *indent, const char *s)
{
    while (s) {
        size_t n = strcspn(s, "\n");
        show("%s%.*s", indent, (int)n, s);
        putchar('\n');
        s = s[n] ? s + n + 1 : NULL;
    }
}

static void show_block(const char *name, const char *s)
{
    if (s) puts(name), show_lines("  ", s);
}

static void show_field(const char *name, const char *s)
{
    if (s) show("%s: %s", name, s), putchar('\n');
}

/* The mean of what was recorded of its tokens. */
static void show_mean(const char *name, const float *x, int n)
{
    double sum = 0;
    for (int i = 0; x && i < n; i++) sum += x[i] / n;
    if (x && n) show(", %s %.3g", name, sum);
}

static void show_rollout_text(const struct ptd_rollout *r, int i)
{
    show("  [%d] %s", i, ptd_outcome_name[r->outcome]);
    if (r->outcome) show(", reward %.3g, advantage %+.3f", r->reward, r->advantage);
    for (int k = 0; k < r->n_parts; k++) show(", %s %.3g", r->parts[k].name, r->parts[k].value);
    if (r->extracted) show(", found \"%s\"", r->extracted);
    if (r->reason) show(", %s", r->reason);
    show_mean("entropy", r->entropy, r->n);
    show_mean("divergence", r->divergence, r->n);
    show(", %d tokens, %s%s%s", r->n, r->stop ? r->stop : "?", r->greedy ? ", greedy" : "",
         ptd_rollout_taught(r) ? ", tutored" : "");
    putchar('\n');
    show_lines("      ", r->text);
}

static void show_hint_text(const struct ptd_group *g)
{
    if (g->hint.text) {
        show("hint (%s%s):", g->hint.source ? g->hint.source : "?",
             g->hint.unchecked ? ", unchecked" : "");
        putchar('\n');
        show_lines("  ", g->hint.text);
    }
    if (g->map.score) {
        show("looked at: a map of %d x %d by %s", g->map.rows, g->map.columns,
             g->map.source ? g->map.source : "?");
        putchar('\n');
    }
    show_field("hint dropped", g->hint_drop);
    show_field("its words", g->hint_dropped);
    show_field("hint refused", g->hint_refused);
}

void ptd_show_group_text(const struct ptd_group *g)
{
    putchar('\n');
    show("%s, step %lld", g->uid, (long long)g->step);
    if (g->category) show(", %s", g->category);
    if (g->generation >= 0) show(", generation %lld", (long long)g->generation);
    if (g->group_accuracy >= 0) show(", accuracy %.3g", g->group_accuracy);
    if (g->has_baseline) show(", baseline %.3g", g->baseline);
    for (int i = 0; i < g->n_pictures; i++)
        show(", picture %dx%d", g->pictures[i].width, g->pictures[i].height);
    putchar('\n');
    show_block("system:", g->system);
    for (int i = 0; i < g->n_turns; i++)
        show_block(strcmp(g->turns[i].role, "user") ? "assistant:" : "user:", g->turns[i].text);
    show_block("question:", g->question);
    show_field("answer", g->answer);
    for (int i = 0; i < g->n_answers; i++) show_field("or", g->answers[i]);
    show_field("judge", g->judge);
    show_hint_text(g);
    for (int i = 0; i < g->n_rollouts; i++) show_rollout_text(&g->rollouts[i], i);
}
