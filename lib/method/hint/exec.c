/* hint_exec: what a user's own command is asked for a hint, and what becomes of its answer; see
 * exec.h. Leaves processes to coprocess.c, and what a hint may say to the rules. */
#include "method/hint/exec.h"
#include "base/coprocess.h"
#include "base/json.h"
#include "method/told.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PATIENCE 5 /* groups in a row without an answer */

struct exec {
    const char *command;
    struct ptd_coprocess_limits limits;
    struct ptd_coprocesses *processes;
    int answered, in_a_row; /* it ever did; groups without an answer */
};

struct asking {
    struct exec *e;
    struct ptd_group *g;
    struct ptd_hint *out;
    int made;
};

static void *open_exec(struct ptd_hint_tools *t, const struct ptd_hint_options *o, const char *arg)
{
    (void)t;
    if (!arg[strspn(arg, " \t\n")]) {
        ptd_fail(PTD_USAGE, "--from exec: expected a command, exec:CMD");
        return NULL;
    }
    struct exec *e = ptd_alloc(sizeof *e);
    e->command = arg;
    e->limits = (struct ptd_coprocess_limits){o->exec_timeout, o->exec_start};
    e->processes = ptd_coprocesses_new(&e->command, 1, 1, e->limits);
    return e;
}

/* ---- the question ---- */

static json_t *regions_of(const struct ptd_region *r, int n)
{
    json_t *list = n ? json_array() : NULL;
    for (int i = 0; i < n; i++) {
        json_t *region = json_array();
        json_array_append_new(region, ptd_json_text(r[i].label));
        for (int k = 0; k < 4; k++) json_array_append_new(region, json_real((double)r[i].box[k]));
        json_array_append_new(list, region);
    }
    return list;
}

static json_t *responses_of(const struct ptd_group *g)
{
    json_t *list = json_array();
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        json_t *o = json_object();
        ptd_json_put(o, "text", ptd_json_text(y->text));
        ptd_json_put(o, "outcome", ptd_json_text(ptd_outcome_name[y->outcome]));
        if (y->outcome) ptd_json_put(o, "accuracy", json_real(y->accuracy));
        json_array_append_new(list, o);
    }
    return list;
}

static char *line(void *ctx, int command, int i, size_t *len)
{
    (void)command, (void)i;
    const struct ptd_group *g = ((struct asking *)ctx)->g;
    json_t *o = ptd_told_group(g);
    ptd_json_put(o, "steps", ptd_json_texts(g->steps, g->n_steps));
    ptd_json_put(o, "regions", regions_of(g->regions, g->n_regions));
    if (g->group_accuracy >= 0) ptd_json_put(o, "group_accuracy", json_real(g->group_accuracy));
    ptd_json_put(o, "responses", responses_of(g));
    return ptd_json_line(o, 9, len);
}

/* ---- the answer ---- */

static int wrong(const char *key, const char *expected)
{
    return ptd_fail(PTD_DATAERR, "its answer's \"%s\": expected %s", key, expected);
}

static int read_steps(struct ptd_group *g, struct ptd_hint *out, const json_t *hint,
                      const json_t *list)
{
    size_t n = json_array_size(list);
    if (hint && !json_is_string(hint)) return wrong("hint", "text");
    if (list && (!json_is_array(list) || n > PTD_LIST_MAX))
        return wrong("steps", "a list of at most 64 texts");
    const char **steps = ptd_group_alloc(g, (n + 1) * sizeof *steps);
    if (hint && *json_string_value(hint))
        steps[out->n_steps++] = ptd_group_text(g, "%s", json_string_value(hint));
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || !*s) return wrong("steps", "texts that are not empty");
        steps[out->n_steps++] = ptd_group_text(g, "%s", s);
    }
    out->steps = steps;
    return 0;
}

static int read_region(struct ptd_group *g, struct ptd_region *r, const json_t *v)
{
    const char *label = json_string_value(json_array_get(v, 0));
    if (!label || json_array_size(v) != 5) return -1;
    r->label = ptd_group_text(g, "%s", label);
    for (size_t k = 0; k < 4; k++) {
        const json_t *x = json_array_get(v, k + 1);
        double share = json_number_value(x);
        if (!json_is_number(x) || !(share >= 0 && share <= 1)) return -1;
        r->box[k] = (float)share;
    }
    return 0;
}

static int read_regions(struct ptd_group *g, struct ptd_hint *out, const json_t *list)
{
    size_t n = json_array_size(list);
    if (!list) return 0;
    if (!json_is_array(list) || n > PTD_LIST_MAX) return wrong("regions", "a list of at most 64");
    struct ptd_region *r = ptd_group_alloc(g, (n + 1) * sizeof *r);
    for (size_t i = 0; i < n; i++)
        if (read_region(g, &r[i], json_array_get(list, i)) < 0)
            return wrong("regions", "[label, x0, y0, x1, y1] each, in shares of width and height");
    out->regions = r;
    out->n_regions = (int)n;
    return 0;
}

/* An answer that means to say something says a hint, and is not the question again. */
static int check_keys(const json_t *o)
{
    if (json_object_get(o, "responses"))
        return ptd_fail(PTD_DATAERR, "its answer has \"responses\": the question again, expected "
                                     "its own alone");
    if (!json_object_size(o) || json_object_get(o, "hint") || json_object_get(o, "steps")) return 0;
    return ptd_fail(PTD_DATAERR,
                    "its answer lacks \"hint\" and \"steps\", expected one of them, or "
                    "{} for no hint");
}

int ptd_hint_exec_read(struct ptd_group *g, struct ptd_hint *out, const char *line, size_t len)
{
    json_error_t e;
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
    if (!o)
        return ptd_fail(PTD_DATAERR, "it answered \"%.*s\": %s, expected an object of JSON",
                        (int)(len < 60 ? len : 60), line, len ? e.text : "an empty line");
    int rc = json_is_object(o)
                 ? 0
                 : ptd_fail(PTD_DATAERR, "it answered an array, expected an object of JSON");
    if (rc == 0) rc = check_keys(o);
    if (rc == 0) rc = read_steps(g, out, json_object_get(o, "hint"), json_object_get(o, "steps"));
    if (rc == 0) rc = read_regions(g, out, json_object_get(o, "regions"));
    json_decref(o);
    return rc < 0 ? -1 : out->n_steps > 0;
}

/* ---- no answer ---- */

static char *why(const struct exec *e, enum ptd_answered how, int ended)
{
    if (how == PTD_LATE) return ptd_format("no answer within %g s", e->limits.answer);
    if (how == PTD_UNREAD)
        return ptd_format("has read nothing within %g s of its start", e->limits.start);
    if (WIFSIGNALED(ended))
        return ptd_format("ended by signal %d instead of answering", WTERMSIG(ended));
    return ptd_format("ended with status %d instead of answering", WEXITSTATUS(ended));
}

/* The group goes without a hint, unless the command never answers. */
static int no_answer(const struct asking *a, enum ptd_answered how, int ended)
{
    struct exec *e = a->e;
    char *what = why(e, how, ended);
    int rc = 0, again = ++e->in_a_row;
    if (again >= PATIENCE)
        rc = ptd_fail(PTD_UNAVAILABLE, "--from exec: %s, the %dth time in a row%s", what, again,
                      e->answered ? "" : " (does it write a line for each, and flush it?)");
    else if (how == PTD_UNREAD || (how == PTD_ENDED && !e->answered))
        rc = ptd_fail(PTD_UNAVAILABLE, "--from exec: %s%s", what,
                      e->answered ? "" : "; it never answered");
    else
        ptd_warn("group \"%.100s\": --from exec: %s, no hint", a->g->uid, what);
    free(what);
    return rc;
}

static int bad(const char *what)
{
    return ptd_fail(PTD_DATAERR, "--from exec: %s", what);
}

static int answer(void *ctx, int command, int i, const char *text, size_t len,
                  enum ptd_answered how, int ended)
{
    struct asking *a = ctx;
    (void)command, (void)i;
    if (how == PTD_TOO_LONG)
        return bad("over 65536 bytes without an end of line, expected a line of JSON");
    if (how == PTD_UNASKED) return bad("more lines than one for each group, expected one");
    if (how == PTD_EARLY) return bad("a line before it has read the group, expected one after it");
    if (how != PTD_ANSWERED) return no_answer(a, how, ended);
    a->made = ptd_hint_exec_read(a->g, a->out, text, len);
    if (a->made < 0) {
        char *what = ptd_strdup(ptd_failed_message());
        bad(what);
        free(what);
        return -1;
    }
    a->e->answered = 1;
    a->e->in_a_row = 0;
    return 0;
}

static int make_exec(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    struct asking a = {.e = source, .g = g, .out = out};
    if (ptd_coprocesses_ask(a.e->processes, &(struct ptd_asking){1, line, answer, &a}) < 0)
        return -1;
    return a.made;
}

/* One that wrote more than it was asked for may have given a group another's hint. */
static int end_exec(void *source)
{
    struct exec *e = source;
    if (ptd_coprocesses_end(e->processes) == 0) return 0;
    return ptd_fail(PTD_DATAERR,
                    "--from exec: a line more than there are groups, expected one for each: "
                    "hints may have gone to the wrong ones");
}

static void close_exec(void *source)
{
    struct exec *e = source;
    ptd_coprocesses_close(e->processes);
    free(e);
}

const struct ptd_hint_source ptd_hint_exec = {.name = "exec",
                                              .arg = "CMD",
                                              .open = open_exec,
                                              .make = make_exec,
                                              .end = end_exec,
                                              .close = close_exec};
