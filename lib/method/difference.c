/* difference: see difference.h. */
#include "method/difference.h"
#include "base/near.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST      64  /* names that are kept */
#define WORDS_MAX 220 /* bytes */

/* Settings that are lists: what decides each number. */
static const struct {
    const char *key, *name[5];
} lists[] = {{"adamw", {"lr", "beta1", "beta2", "eps", "weight-decay"}},
             {"loss_weights", {"lambda", "tau"}},
             {"kl_steered", {"kl-target", "kl-horizon"}},
             {"lambda_schedule", {"lambda-schedule", "lambda-end"}}};
#define LISTS ((int)(sizeof lists / sizeof *lists))

/* Decided by no option alone. */
static const char *const plain[] = {"data", "pictures", "sampling", "pipe", NULL};

struct finding {
    const struct ptd_difference *asked;
    json_t *what;                    /* those that may be */
    char *names, *words, *all[MOST]; /* names and words of the others; all: names met */
    int n, n_all, more;              /* more: there are others than the words tell */
};

static int is_in(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == n && strncmp(at, name, n) == 0) return 1;
    return 0;
}

/* With `digits` at most; malloc'd. */
static char *value_text(const json_t *v, int digits)
{
    return v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits))
             : ptd_strdup("nothing");
}

static void value_texts(const json_t *was, const json_t *is, char **a, char **b)
{
    for (int digits = 6;; digits = 17) {
        *a = value_text(was, digits);
        *b = value_text(is, digits);
        if (strcmp(*a, *b) != 0 || digits == 17) return;
        free(*a);
        free(*b);
    }
}

static void append(char **list, const char *between, const char *text)
{
    char *longer = *list ? ptd_format("%s%s%s", *list, between, text) : ptd_strdup(text);
    free(*list);
    *list = longer;
}

static void add_unmeant(struct finding *f, const char *name, char *words)
{
    if (f->asked->anyway)
        ptd_warn("resuming although %s", words);
    else if (!f->n++ || strlen(f->words) + strlen(words) < WORDS_MAX)
        append(&f->words, "; ", words);
    else
        f->more = 1;
    if (!is_in(f->names, name)) append(&f->names, ",", name);
}

/* shown: what it is called in words. */
static void differs(struct finding *f, const char *name, const char *shown, const json_t *was,
                    const json_t *is)
{
    char *a, *b;
    value_texts(was, is, &a, &b);
    char *words = ptd_format("%s was %.160s, now %.160s", shown, a, b);
    if (is_in(f->asked->change, name))
        json_object_set_new(f->what, shown + 2 * (strncmp(shown, "--", 2) == 0),
                            json_pack("[O?, O?]", was ? was : json_null(), is ? is : json_null()));
    else
        add_unmeant(f, name, words);
    free(words);
    free(a);
    free(b);
}

static void met(struct finding *f, const char *name)
{
    if (f->n_all < MOST) f->all[f->n_all++] = ptd_strdup(name);
}

/* An option of ptd-update or ptd-rollout. */
static void compare_option(struct finding *f, const char *name, const json_t *was, const json_t *is)
{
    char *shown = ptd_format("--%s", name);
    met(f, name);
    if (!json_equal((json_t *)was, (json_t *)is)) differs(f, name, shown, was, is);
    free(shown);
}

static int compare_list(struct finding *f, const char *key, const json_t *was, const json_t *is)
{
    for (int i = 0; i < LISTS; i++) {
        if (strcmp(key, lists[i].key) != 0) continue;
        for (size_t k = 0; k < 5 && lists[i].name[k]; k++)
            compare_option(f, lists[i].name[k], json_array_get(was, k), json_array_get(is, k));
        return 1;
    }
    return 0;
}

/* "group_size" is --group-size. */
static void compare_value(struct finding *f, const char *key, const json_t *was, const json_t *is)
{
    for (const char *const *p = plain; *p; p++)
        if (strcmp(key, *p) == 0) {
            met(f, key);
            if (!json_equal((json_t *)was, (json_t *)is)) differs(f, key, key, was, is);
            return;
        }
    if (compare_list(f, key, was, is)) return;
    char *name = ptd_strdup(key);
    for (char *c = name; *c; c++)
        if (*c == '_') *c = '-';
    compare_option(f, name, was, is);
    free(name);
}

/* What another program notes goes by its name; the own options of a loss by theirs. */
static void compare_inner(struct finding *f, const char *of, const char *key, const json_t *was,
                          const json_t *is)
{
    if (strncmp(of, "ptd-", 4) != 0) {
        compare_value(f, key, was, is);
        return;
    }
    char *shown = ptd_format("%s: %s", of, key);
    met(f, of);
    if (!json_equal((json_t *)was, (json_t *)is)) differs(f, of, shown, was, is);
    free(shown);
}

static void compare(struct finding *f, const char *of, const json_t *was, const json_t *is);

/* A program that is there on one side only is told by the pipe; a loss, by its name. */
static void compare_key(struct finding *f, const char *of, const char *key, const json_t *was,
                        const json_t *is)
{
    int inner = !of && (json_is_object(was) || json_is_object(is));
    if (inner && was && is)
        compare(f, key, was, is);
    else if (inner)
        met(f, key);
    else if (of)
        compare_inner(f, of, key, was, is);
    else
        compare_value(f, key, was, is);
}

/* of: whose the settings are, NULL: the run's own. */
static void compare(struct finding *f, const char *of, const json_t *was, const json_t *is)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)is, key, value)
        compare_key(f, of, key, json_object_get(was, key), value);
    json_object_foreach ((json_t *)was, key, value)
        if (!json_object_get(is, key)) compare_key(f, of, key, value, NULL);
}

/* A name in --change that nothing has. */
static int check_names(const struct finding *f)
{
    for (const char *at = f->asked->change; at && *at; at += strcspn(at, ","), at += *at == ',') {
        char *name = ptd_format("%.*s", (int)strcspn(at, ","), at);
        int known = 0;
        for (int i = 0; i < f->n_all; i++) known |= strcmp(f->all[i], name) == 0;
        const char *meant = ptd_near(name, (const char *const *)f->all, f->n_all);
        if (!known)
            ptd_fail(PTD_USAGE, "--change \"%.64s\": no setting of this run has that name%s%s%s",
                     name, meant ? "; did you mean \"" : "", meant ? meant : "",
                     meant ? "\"?" : "");
        free(name);
        if (!known) return -1;
    }
    return 0;
}

static const char *text_at(const json_t *settings, const char *key)
{
    const char *s = json_string_value(json_object_get(settings, key));
    return s ? s : "";
}

#define NAMES_MAX 150 /* bytes */

/* A long list of names ends at a comma. */
static void shorten(char **names)
{
    size_t most = NAMES_MAX;
    if (!*names || strlen(*names) <= most) return;
    while (most > 0 && (*names)[most] != ',') most--;
    char *shorter = ptd_format("%.*s,...", (int)most, *names);
    free(*names);
    *names = shorter;
}

/* From supervised training to rewards it is another run. */
static int refuse(struct finding *f, const json_t *was, const json_t *is)
{
    const struct ptd_difference *d = f->asked;
    shorten(&f->names);
    if (strcmp(text_at(was, "loss"), "sft") == 0 && strcmp(text_at(is, "loss"), "sft") != 0)
        return ptd_fail(PTD_CONFIG,
                        "%s: generation %lld was trained by --loss sft, and rewards are learned "
                        "from in a run of their own, whose reference it is: ptd-init NEW.ptd "
                        "--from-store %s",
                        d->where, (long long)d->at, d->where);
    return ptd_fail(PTD_CONFIG,
                    "%s: resuming at step %lld would not be exact: %.300s%s (--change %s goes "
                    "on from here, and is recorded)",
                    d->where, (long long)d->at, f->words, f->more ? "; ..." : "", f->names);
}

json_t *ptd_differences(const struct ptd_difference *d, const json_t *was, const json_t *is)
{
    struct finding f = {.asked = d, .what = json_object()};
    compare(&f, NULL, was, is);
    int bad = check_names(&f) < 0 || (f.n && refuse(&f, was, is) < 0);
    for (int i = 0; i < f.n_all; i++) free(f.all[i]);
    free(f.names);
    free(f.words);
    if (!bad) return json_pack("{s:I, s:o}", "at", (json_int_t)d->at, "what", f.what);
    json_decref(f.what);
    return NULL;
}
