/* checker: what the user's own judges are asked, and what is made of their answers; see checker.h.
 * Leaves processes to coprocess.c, what an answer says to reply.c, and what rewards add up to to
 * reward.c. */
#include "method/checker.h"
#include "base/coprocess.h"
#include "base/json.h"
#include "method/reply.h"
#include "method/told.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define NAME_MAX_BYTES 40
#define PATIENCE       5 /* responses in a row without an answer */

struct checker {
    char *name;
    double weight;
    const char *command;
    int answered, judges; /* it ever did; its answers have accuracies */
    int in_a_row;         /* not answered */
    long unanswered;
};

struct ptd_checkers {
    struct checker all[PTD_CHECKERS_MAX];
    const char *commands[PTD_CHECKERS_MAX];
    int n;
    struct ptd_checker_limits limits;
    struct ptd_coprocesses *processes;
};

/* A response that is asked about. */
struct asked {
    struct ptd_group *g;
    int group, rollout;
};

struct asking {
    struct ptd_checkers *c;
    struct asked *at; /* [n] */
    int n;
    struct ptd_reply *replies; /* [command][n] */
    int failed;                /* the group it failed for, -1: none */
};

/* ---- NAME:WEIGHT=CMD ---- */

static size_t name_length(const char *s)
{
    return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
}

/* Behind "NAME=" or "NAME:WEIGHT="; NULL: it does not begin so. */
static const char *behind_name(const char *spec, size_t *name, const char **weight)
{
    const char *at = spec + (*name = name_length(spec)), *equals;
    *weight = NULL;
    if (*name == 0) return NULL;
    if (*at == '=') return at + 1;
    if (*at != ':' || !(equals = strchr(at, '='))) return NULL;
    *weight = at + 1;
    return strcspn(at, " \t") < (size_t)(equals - at) ? NULL : equals + 1;
}

static int read_weight(const char *spec, const char *text, const char *behind, double *weight)
{
    char *end;
    *weight = strtod(text, &end);
    if (end != text && end == behind - 1 && fabs(*weight) <= PTD_REPLY_REWARD) return 0;
    return ptd_fail(PTD_USAGE, "--exec \"%.64s\": expected a number within +-%g as weight", spec,
                    PTD_REPLY_REWARD);
}

static int is_metric(const char *name)
{
    static const char *const taken[] = {"overall", "accuracy", "format", "unparsable", "overlong"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(name, taken[i]) == 0) return 1;
    return 0;
}

static int check_name(const struct ptd_checkers *c, const char *spec, const char *name)
{
    if (strlen(name) > NAME_MAX_BYTES)
        return ptd_fail(PTD_USAGE, "--exec \"%.64s\": expected a name of at most %d bytes", spec,
                        NAME_MAX_BYTES);
    if (is_metric(name))
        return ptd_fail(PTD_USAGE, "--exec \"%.64s\": reward/%s is the program's own", spec, name);
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->all[i].name, name) == 0)
            return ptd_fail(PTD_USAGE, "--exec \"%.64s\": another one is \"%s\", expected NAME=CMD",
                            spec, name);
    return 0;
}

/* NAME=CMD that a shell would take for an assignment: a name that variables have, or a number
 * behind it. */
static int is_assignment(const char *spec, size_t name, const char *command)
{
    size_t capitals = strspn(spec, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    size_t digits = strspn(command, "0123456789");
    return (name > 1 && capitals == name) || (digits && strchr(" \t\n;", command[digits]));
}

static int assigns(const char *spec, size_t name)
{
    return ptd_fail(PTD_USAGE,
                    "--exec \"%.64s\": %.*s may be a variable or the judge's name, expected "
                    "\"NAME=%.*s=...\" or \"%.*s:1=CMD\"",
                    spec, (int)name, spec, (int)name, spec, (int)name, spec);
}

static int add(struct ptd_checkers *c, const char *spec)
{
    struct checker k = {.weight = 1, .command = spec};
    const char *weight = NULL, *behind;
    size_t len;
    if (c->n == PTD_CHECKERS_MAX)
        return ptd_fail(PTD_USAGE, "--exec: expected at most %d", PTD_CHECKERS_MAX);
    if ((behind = behind_name(spec, &len, &weight))) k.command = behind;
    if (behind && !weight && is_assignment(spec, len, behind)) return assigns(spec, len);
    if (weight && read_weight(spec, weight, behind, &k.weight) < 0) return -1;
    if (!k.command[strspn(k.command, " \t\n")])
        return ptd_fail(PTD_USAGE, "--exec \"%.64s\": expected a command", spec);
    k.name = behind ? ptd_format("%.*s", (int)len, spec) : ptd_strdup("exec");
    c->all[c->n] = k;
    c->commands[c->n] = k.command;
    int rc = check_name(c, spec, k.name);
    c->n++;
    return rc;
}

struct ptd_checkers *ptd_checkers_new(const struct ptd_opt_list *list,
                                      const struct ptd_checker_limits *limits)
{
    struct ptd_checkers *c = ptd_alloc(sizeof *c);
    c->limits = *limits;
    for (int i = 0; i < list->n; i++)
        if (add(c, list->at[i]) < 0) {
            ptd_checkers_close(c);
            return NULL;
        }
    c->processes =
        ptd_coprocesses_new(c->commands, c->n, limits->jobs,
                            (struct ptd_coprocess_limits){limits->answer, limits->start});
    return c;
}

void ptd_checkers_close(struct ptd_checkers *c)
{
    if (!c) return;
    ptd_coprocesses_close(c->processes);
    for (int i = 0; i < c->n; i++) free(c->all[i].name);
    free(c);
}

/* ---- the question ---- */

static char *line(void *ctx, int command, int i, size_t *len)
{
    (void)command;
    const struct asking *a = ctx;
    int rollout = a->at[i].rollout;
    const struct ptd_group *g = a->at[i].g;
    const struct ptd_rollout *y = &g->rollouts[rollout];
    json_t *o = ptd_told_group(g);
    ptd_json_put(o, "rollout", json_integer(rollout));
    ptd_json_put(o, "response", ptd_json_text(y->text));
    ptd_json_put(o, "stop", ptd_json_text(y->stop));
    ptd_json_put(o, "tokens", json_integer(y->n));
    ptd_json_put(o, "extracted", ptd_json_text(y->extracted));
    ptd_json_put(o, "outcome", ptd_json_text(ptd_outcome_name[y->outcome]));
    ptd_json_put(o, "accuracy", json_real(y->accuracy));
    ptd_json_put(o, "format", json_real(y->format));
    return ptd_json_line(o, 17, len);
}

/* ---- the answer ---- */

/* 65, about response i and command k. */
__attribute__((format(printf, 4, 5))) static int bad(const struct asking *a, int k, int i,
                                                     const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return ptd_fail(PTD_DATAERR, "group \"%.100s\" #%d: --exec %s: %s", a->at[i].g->uid,
                    a->at[i].rollout, a->c->all[k].name, text);
}

static int read_answer(const struct asking *a, int k, int i, const char *text, size_t len)
{
    struct ptd_reply *r = &a->replies[k * a->n + i];
    if (ptd_reply_read(r, a->at[i].g, a->c->all[k].name, text, len) == 0) return 0;
    char *what = ptd_strdup(ptd_failed_message());
    bad(a, k, i, "%s", what);
    free(what);
    return -1;
}

/* ---- no answer ---- */

static char *why(const struct ptd_checkers *c, enum ptd_answered how, int ended)
{
    if (how == PTD_LATE) return ptd_format("no answer within %g s", c->limits.answer);
    if (how == PTD_UNREAD)
        return ptd_format("has read nothing within %g s of its start", c->limits.start);
    if (WIFSIGNALED(ended))
        return ptd_format("ended by signal %d instead of answering", WTERMSIG(ended));
    return ptd_format("ended with status %d instead of answering", WEXITSTATUS(ended));
}

static int give_up(const struct asking *a, int k, int i, const char *what)
{
    const struct checker *c = &a->c->all[k];
    const char *uid = a->at[i].g->uid;
    int rollout = a->at[i].rollout;
    if (c->in_a_row < PATIENCE)
        return ptd_fail(PTD_UNAVAILABLE, "group \"%.100s\" #%d: --exec %s: %s%s", uid, rollout,
                        c->name, what, c->answered ? "" : "; it never answered");
    return ptd_fail(PTD_UNAVAILABLE,
                    "group \"%.100s\" #%d: --exec %s: %s, the %dth time in a row%s", uid, rollout,
                    c->name, what, PATIENCE,
                    c->answered ? "" : " (does it write a line for each, and flush it?)");
}

static int no_answer(const struct asking *a, int k, int i, enum ptd_answered how, int ended)
{
    struct checker *c = &a->c->all[k];
    struct ptd_reply *r = &a->replies[k * a->n + i];
    char *what = why(a->c, how, ended);
    int rc = 0;
    c->unanswered++;
    c->in_a_row++;
    r->has_reward = !c->judges;
    r->has_accuracy = c->judges;
    r->reason = how == PTD_LATE ? "judge too late" : "judge ended";
    if (c->in_a_row >= PATIENCE || how == PTD_UNREAD || (how == PTD_ENDED && !c->answered))
        rc = give_up(a, k, i, what);
    else
        ptd_warn("group \"%.100s\" #%d: --exec %s: %s, counts as 0", a->at[i].g->uid,
                 a->at[i].rollout, c->name, what);
    free(what);
    return rc;
}

static int take(const struct asking *a, int k, int i, const char *text, size_t len,
                enum ptd_answered how, int ended)
{
    struct checker *c = &a->c->all[k];
    if (how == PTD_TOO_LONG)
        return bad(a, k, i, "over %d bytes without an end of line, expected a line of JSON",
                   PTD_COPROCESS_LINE);
    if (how == PTD_UNASKED)
        return bad(a, k, i, "more lines than one for each response, expected one");
    if (how == PTD_EARLY)
        return bad(a, k, i, "a line before it has read the response, expected one after it");
    if (how != PTD_ANSWERED) return no_answer(a, k, i, how, ended);
    if (read_answer(a, k, i, text, len) < 0) return -1;
    c->answered = 1;
    c->in_a_row = 0;
    c->judges |= a->replies[k * a->n + i].has_accuracy;
    return 0;
}

static int answer(void *ctx, int k, int i, const char *text, size_t len, enum ptd_answered how,
                  int ended)
{
    struct asking *a = ctx;
    int rc = take(a, k, i, text, len, how, ended);
    if (rc < 0) a->failed = a->at[i].group;
    return rc;
}

/* ---- together ---- */

static int count_parts(const struct asking *a, int i)
{
    int n = 0;
    for (int k = 0; k < a->c->n; k++) n += 1 + a->replies[k * a->n + i].n_parts;
    return n;
}

static void put_parts(const struct asking *a, int i, int n)
{
    struct ptd_group *g = a->at[i].g;
    struct ptd_reward_part *parts = ptd_group_alloc(g, (size_t)n * sizeof *parts);
    struct ptd_rollout *y = &g->rollouts[a->at[i].rollout];
    y->parts = parts;
    y->n_parts = n;
    for (int k = 0; k < a->c->n; k++) {
        const struct ptd_reply *r = &a->replies[k * a->n + i];
        *parts++ = (struct ptd_reward_part){ptd_group_text(g, "%s", a->c->all[k].name),
                                            r->has_reward ? r->reward : r->accuracy};
        for (int j = 0; j < r->n_parts; j++) *parts++ = r->parts[j];
    }
}

static int join(const struct asking *a, int i, struct ptd_checked *f)
{
    int n = count_parts(a, i), judge = -1;
    *f = (struct ptd_checked){0};
    for (int k = 0; k < a->c->n; k++) {
        const struct ptd_reply *r = &a->replies[k * a->n + i];
        if (r->has_reward) f->reward += a->c->all[k].weight * (f->rewards[k] = r->reward);
        if (!r->has_accuracy) continue;
        if (judge >= 0)
            return bad(a, k, i, "\"accuracy\" in its answer, expected that of --exec %s alone",
                       a->c->all[judge].name);
        judge = k, f->judged = 1, f->accuracy = r->accuracy, f->reason = r->reason;
    }
    if (n > PTD_LIST_MAX)
        return bad(a, 0, i, "%d parts of all commands, expected at most %d", n, PTD_LIST_MAX);
    put_parts(a, i, n);
    return 0;
}

static void list_asked(struct asking *a, struct ptd_group *const *g, int n)
{
    for (int k = 0; k < n; k++) a->n += g[k]->n_rollouts;
    a->at = ptd_array((size_t)a->n, sizeof *a->at);
    struct asked *at = a->at;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < g[k]->n_rollouts; i++) *at++ = (struct asked){g[k], k, i};
}

int ptd_checkers_ask(struct ptd_checkers *c, struct ptd_group *const *g, int n,
                     struct ptd_checked *found, int *failed)
{
    struct asking a = {.c = c, .failed = -1};
    list_asked(&a, g, n);
    a.replies = ptd_array((size_t)c->n * (size_t)a.n, sizeof *a.replies);
    int rc = ptd_coprocesses_ask(c->processes, &(struct ptd_asking){a.n, line, answer, &a});
    for (int i = 0; i < a.n && rc == 0; i++)
        if ((rc = join(&a, i, &found[i])) < 0) a.failed = a.at[i].group;
    *failed = a.failed;
    free(a.at);
    free(a.replies);
    return rc;
}

int ptd_checkers_weights(const struct ptd_checkers *c, double weight[PTD_CHECKERS_MAX])
{
    for (int k = 0; k < c->n; k++) weight[k] = c->all[k].weight;
    return c->n;
}

int ptd_checkers_end(struct ptd_checkers *c)
{
    int wordy = ptd_coprocesses_end(c->processes);
    if (!wordy) return 0;
    return ptd_fail(PTD_DATAERR,
                    "--exec %s: a line more than there are responses, expected one for each: "
                    "answers may have gone to the wrong ones",
                    c->all[wordy - 1].name);
}

const char *ptd_checkers_summary(const struct ptd_checkers *c)
{
    static char words[PTD_CHECKERS_MAX * (NAME_MAX_BYTES + 48)];
    size_t n = 0;
    words[0] = 0;
    for (int k = 0; k < c->n; k++)
        if (c->all[k].unanswered)
            n += (size_t)snprintf(words + n, sizeof words - n, "%s%s: %ld without an answer",
                                  n ? ", " : "", c->all[k].name, c->all[k].unanswered);
    return words;
}
