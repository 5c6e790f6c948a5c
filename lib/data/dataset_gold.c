/* dataset_gold: what a row says is right: the answer, what is accepted besides it, and the rule
 * that judges it. How answers are compared is lib/judge's. */
#include "data/dataset_private.h"
#include "judge/extract.h"
#include "judge/judge.h"
#include "judge/stated.h"

#include <stdlib.h>
#include <string.h>

#define STATED 200 /* bytes of a solution or reply that is its own answer */

struct gold {
    struct ptd_row *r;
    const char *key;
    const char *texts[PTD_LIST_MAX + 1]; /* the answer, then the others */
    int n, bad;
};

static void add(struct gold *g, const char *text)
{
    int i = 0;
    while (i < g->n && strcmp(g->texts[i], text) != 0) i++;
    if (i == g->n) g->texts[g->n++] = text;
}

/* ---- out of its wrapping ---- */

/* Finds the answer in <answer>, in a box or behind ####; 0: it is in none of them. */
static int find_wrapped(const char *s, struct ptd_answer *a)
{
    struct ptd_span all = {s, strlen(s)}, found;
    struct ptd_response whole = {.text = s, .len = strlen(s)};
    struct ptd_box last;
    *a = (struct ptd_answer){0};
    if (strcasestr(s, "<answer")) return ptd_extract(PTD_EXTRACT_TAG, &whole, a), 1;
    if (ptd_boxes_count(all, &last)) return ptd_extract(PTD_EXTRACT_BOXED, &whole, a), 1;
    if (!strstr(s, "####") || !ptd_announced(all, 0, &found)) return 0;
    a->text = found.s;
    a->len = found.len;
    a->part[0] = found;
    a->n_parts = 1;
    return 1;
}

/* The answer in s; NULL: it is in nothing, or empty, which is a fault. */
static const char *unwrap(struct gold *g, const char *s)
{
    struct ptd_answer a;
    if (!find_wrapped(s, &a)) return NULL;
    if (!a.text) {
        g->bad = ptd_row_fault(g->r, PTD_DATAERR, g->key, "%s, expected an answer",
                               a.reason ? a.reason : "empty");
        return NULL;
    }
    char *joined = ptd_answer_joined(&a);
    const char *text = ptd_row_trimmed(g->r, g->key, joined, strlen(joined));
    free(joined);
    if (a.text - s > 16 && !g->r->g->solution) /* more than the wrapping stands before it */
        g->r->g->solution = ptd_row_keep(g->r, g->key, s);
    return text;
}

/* One of the options, or several of them. */
static void add_options(struct gold *g, const char *s, int index)
{
    struct ptd_group *group = g->r->g;
    unsigned several = ptd_row_several(g->r, s);
    for (int i = 0; several >> i; i++)
        if (several >> i & 1) add(g, ptd_group_text(group, "%c", 'A' + i));
    if (several) return;
    char letter = ptd_row_option(g->r, g->key, s, index);
    if (letter) add(g, ptd_group_text(group, "%c", letter));
    g->bad |= !letter;
}

/* A text as an answer: of the options, if the row has any. */
static void add_text(struct gold *g, const char *s, int index)
{
    const char *inside = unwrap(g, s);
    if (g->bad) return;
    if (!inside) inside = ptd_row_keep(g->r, g->key, s);
    if (ptd_blank_text(inside)) {
        g->bad = ptd_row_fault(g->r, PTD_DATAERR, g->key, "empty, expected text or a number");
    } else if (!g->r->n_options) {
        add(g, inside);
    } else {
        add_options(g, ptd_row_trimmed(g->r, g->key, inside, strlen(inside)), index);
    }
}

/* ---- values ---- */

static void put(struct ptd_buf *out, const char *s)
{
    ptd_buf_add(out, s, strlen(s));
}

/* A text in quotes of the kind that it does not hold, but else as it is: a judge reads no escapes.
 */
static void put_text(struct ptd_buf *out, const char *s)
{
    const char *quote = strchr(s, '"') ? "'" : "\"";
    put(out, quote);
    put(out, s);
    put(out, quote);
}

static void put_json(struct ptd_buf *out, const json_t *v, const json_t *twin);

static void put_list(struct ptd_buf *out, const json_t *v, const json_t *twin)
{
    put(out, "[");
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (i) put(out, ", ");
        put_json(out, json_array_get(v, i), json_array_get(twin, i));
    }
    put(out, "]");
}

static void put_object(struct ptd_buf *out, const json_t *v, const json_t *twin)
{
    const char *key;
    json_t *item;
    int n = 0;
    put(out, "{");
    json_object_foreach ((json_t *)v, key, item) {
        if (n++) put(out, ", ");
        put_text(out, key);
        put(out, ": ");
        put_json(out, item, json_object_get(twin, key));
    }
    put(out, "}");
}

/* Nearly as JSON, numbers in their own digits: [10, 20.50] */
static void put_json(struct ptd_buf *out, const json_t *v, const json_t *twin)
{
    char *number = json_is_number(v) ? ptd_row_number(v, twin) : NULL;
    if (number)
        put(out, number);
    else if (json_is_string(v))
        put_text(out, json_string_value(v));
    else if (json_is_array(v))
        put_list(out, v, twin);
    else if (json_is_object(v))
        put_object(out, v, twin);
    else
        put(out, ptd_json_kind(v));
    free(number);
}

static void add_json(struct gold *g, const json_t *v, const json_t *twin)
{
    struct ptd_buf out = {0};
    put_json(&out, v, twin);
    ptd_buf_add(&out, "", 1);
    add(g, ptd_row_keep(g->r, g->key, out.data));
    free(out.data);
}

static void add_value(struct gold *g, const json_t *v, const json_t *twin)
{
    char *number = json_is_number(v) ? ptd_row_number(v, twin) : NULL;
    const char *s = number ? number : json_string_value(v);
    if (s)
        add_text(g, s, json_is_integer(v));
    else
        g->bad = ptd_row_wrong(g->r, g->key, v, "text or a number");
    free(number);
}

/* Numbers alone, in any depth. */
static int is_numbers(const json_t *v)
{
    size_t i = 0, n = json_array_size(v);
    if (json_is_number(v)) return 1;
    while (i < n && is_numbers(json_array_get(v, i))) i++;
    return n && i == n;
}

/* One thing of several numbers, not several answers: a box, or a list of boxes or points. */
static int is_place(const json_t *v)
{
    return is_numbers(v) && (json_array_size(v) == 4 || json_is_array(json_array_get(v, 0)));
}

/* Rules whose answers are lists: all of it is the one answer, as JSON. */
static int takes_lists(const char *judge)
{
    static const char *const names[] = {"iou", "point", "f1"};
    for (int i = 0; judge && i < 3; i++)
        if (strcmp(names[i], judge) == 0) return 1;
    return 0;
}

/* Several of the row's options, or members of a set: all of them. */
static void join(struct gold *g)
{
    const char *judge = g->r->g->judge;
    if (g->n < 2 || (!g->r->n_options && (!judge || strcmp(judge, "set") != 0))) return;
    g->texts[0] = ptd_group_join(g->r->g, ", ", g->texts, g->n);
    g->n = 1;
}

static void add_list(struct gold *g, const json_t *v, const json_t *twin)
{
    size_t n = json_array_size(v);
    if (n < 1 || n > PTD_LIST_MAX + 1)
        g->bad = ptd_row_fault(g->r, PTD_DATAERR, g->key, "%zu answers, expected 1 to %d", n,
                               PTD_LIST_MAX + 1);
    for (size_t i = 0; i < n && !g->bad; i++)
        add_value(g, json_array_get(v, i), json_array_get(twin, i));
}

/* A list of one text that is a text itself, ["5"]; NULL: it is none. */
static json_t *list_in(const json_t *v)
{
    const char *s = json_string_value(v);
    json_t *list = s && *s == '[' ? ptd_json_load(s, strlen(s), 0, NULL) : NULL;
    if (json_array_size(list) == 1 && json_is_string(json_array_get(list, 0))) return list;
    json_decref(list);
    return NULL;
}

static void add_any(struct gold *g, const json_t *v, const json_t *twin)
{
    int listed = takes_lists(g->r->g->judge);
    json_t *inside = listed ? NULL : list_in(v);
    if (inside)
        add_list(g, inside, NULL);
    else if ((listed && (json_is_array(v) || json_is_object(v))) || is_place(v))
        add_json(g, v, twin);
    else if (json_is_array(v))
        add_list(g, v, twin);
    else
        add_value(g, v, twin);
    json_decref(inside);
    if (!g->bad) join(g);
}

/* ---- where it stands ---- */

static const struct place {
    const char *key, *outer, *inner;
} places[] = {{"answer", "answer"},
              {"ground_truth", "ground_truth"},
              {"reward_model.ground_truth", "reward_model", "ground_truth"}};

static const json_t *value_at(const json_t *row, const struct place *p)
{
    const json_t *v = json_object_get(row, p->outer);
    if (p->inner) v = json_object_get(v, p->inner);
    return v && !json_is_null(v) ? v : NULL;
}

static int is_missing(const json_t *v)
{
    return !v || (json_is_string(v) && ptd_blank_text(json_string_value(v)));
}

/* A solution's or a reply's last word: what it wraps, or all of it if that is short. */
static int state(struct gold *g, const char *key, const char *text)
{
    if (!text || ptd_blank_text(text)) return 0;
    struct ptd_answer a;
    int wrapped = find_wrapped(text, &a);
    text = ptd_row_trimmed(g->r, key, text, strlen(text));
    if (!wrapped && (strlen(text) > STATED || strpbrk(text, "\r\n"))) return 0;
    g->key = key;
    add_text(g, text, 0);
    if (!g->bad) join(g);
    return 1;
}

static void find_gold(struct gold *g)
{
    const json_t *blank = NULL;
    for (int i = 2; i >= 0; i--)
        if (value_at(g->r->json, &places[i])) blank = value_at(g->r->json, &places[i]);
    for (int i = 0; i < 3; i++) {
        const json_t *v = value_at(g->r->json, &places[i]);
        if (is_missing(v)) continue;
        g->key = places[i].key;
        add_any(g, v, ptd_json_has_real(v) ? value_at(ptd_row_digits(g->r), &places[i]) : NULL);
        return;
    }
    if (state(g, "solution", g->r->g->solution) || state(g, g->r->reply_key, g->r->reply)) return;
    if (blank)
        ptd_row_fault(g->r, PTD_DATAERR, "answer", "empty, expected text or a number");
    else
        ptd_row_fault(g->r, PTD_DATAERR, "answer", "missing, expected text or a number%s",
                      g->r->g->solution || g->r->reply
                          ? " (the solution wraps none in <answer> or \\boxed{})"
                          : "");
}

static void read_judge(struct ptd_row *r)
{
    const json_t *v = json_object_get(r->json, "judge");
    const char *name = json_string_value(v);
    char *names = ptd_judge_names();
    if (v && !json_is_null(v) && !name)
        ptd_row_wrong(r, "judge", v, "the name of a rule");
    else if (name && !ptd_judge_named(name))
        ptd_row_fault(r, PTD_DATAERR, "judge", "\"%.40s\", expected one of %s", name, names);
    else if (name)
        r->g->judge = ptd_row_keep(r, "judge", name);
    free(names);
}

void ptd_row_gold(struct ptd_row *r)
{
    struct gold g = {.r = r, .key = "answer"};
    read_judge(r);
    find_gold(&g);
    if (r->reply && !r->g->solution) r->g->solution = r->reply;
    if (g.bad || !g.n) return;
    r->g->answer = g.texts[0];
    const char **others = ptd_group_alloc(r->g, (size_t)g.n * sizeof *others);
    for (int i = 1; i < g.n; i++) others[i - 1] = g.texts[i];
    r->g->answers = others;
    r->g->n_answers = g.n - 1;
}
