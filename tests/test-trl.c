/* test-trl: the methods that --method names, against TRL's own loss function on the same record:
 * values and gradients to six digits (tests/vectors/make-trl.py made them). A case names a method
 * and options that it is asked with besides; the method's own come from its preset. */
#include "base/err.h"
#include "method/learn.h"
#include "method/objective.h"
#include "method/preset.h"
#include "test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 64, RESPONSES = 16, WORDS = 128 };

static struct {
    double logp[TOKENS], old[TOKENS], ref[TOKENS], entropy[TOKENS], tis[TOKENS], advantage[TOKENS],
        weight[TOKENS];
    int32_t sequence[TOKENS];
    struct ptd_sequence sequences[RESPONSES];
    struct ptd_tokens t;
    double limit; /* of responses */
    long cases;
    int ended;
} record;

/* What a case asks for. */
static struct {
    const char *name;
    char options[200];
    const char *cap;
} asked;

/* The value of an option: the case's, else the preset's, else `usual`. */
static const char *text_of(const char *option, const char *usual)
{
    static char value[40];
    size_t n = strlen(option);
    for (const char *at = asked.options; at && *at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, option, n) || at[n] != '=') continue;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at + n + 1, ","), at + n + 1);
        return value;
    }
    const char *preset = ptd_preset(asked.name, option);
    return preset ? preset : usual;
}

static double number_of(const char *option, double usual)
{
    const char *text = text_of(option, NULL);
    return text ? atof(text) : usual;
}

static struct ptd_loss_rules rules_of(void)
{
    struct ptd_loss_rules r = {.loss = ptd_loss_named(text_of("loss", "ppo")),
                               .kl = ptd_kl_named(text_of("kl", "k3")),
                               .beta = number_of("beta", 0.01),
                               .length = record.limit,
                               .bonus = number_of("entropy-bonus", 0),
                               .top_entropy = number_of("top-entropy", 1)};
    r.aggregate = ptd_aggregate_named(text_of("aggregate", "token"));
    r.clip = (struct ptd_clip){number_of("clip-low", r.loss->clip.low),
                               number_of("clip-high", r.loss->clip.high),
                               number_of("clip-dual", r.loss->clip.dual)};
    asked.cap = text_of("cispo-cap", NULL);
    if (asked.cap) r.own = &asked.cap;
    return r;
}

/* ---- reading ---- */

static double word(char **at)
{
    char *text = strsep(at, " \n");
    assert_non_null(text);
    return atof(text);
}

static void read_response(char *at)
{
    struct ptd_sequence *q = &record.sequences[record.t.n_sequences++];
    *q = (struct ptd_sequence){.first = record.t.n, .reference = 1, .has_old = 1};
    q->n = (int)word(&at);
    q->advantage = word(&at);
}

static void read_token(char *at)
{
    long i = record.t.n++;
    record.sequence[i] = (int32_t)record.t.n_sequences - 1;
    record.advantage[i] = record.sequences[record.sequence[i]].advantage;
    record.logp[i] = word(&at);
    record.old[i] = word(&at);
    record.ref[i] = word(&at);
    record.entropy[i] = word(&at);
    record.tis[i] = word(&at);
}

/* ---- asking ---- */

static double ask(const struct ptd_loss_rules *r, double *dlogp)
{
    static double pg[TOKENS], ratio[TOKENS], kl[TOKENS], count[TOKENS], part[TOKENS];
    static int8_t side[TOKENS];
    struct ptd_parts out = {{pg, dlogp, ratio, side}, kl, count, part};
    double loss = 0;
    memset(kl, 0, sizeof kl);
    for (long i = 0; i < record.t.n; i++)
        record.weight[i] = strstr(asked.options, "tis") ? record.tis[i] : 1;
    if (r->top_entropy < 1)
        ptd_objective_mask(record.entropy, record.t.n, r->top_entropy, record.weight);
    record.t.clip = r->clip;
    ptd_aggregate_counts(&record.t, r->aggregate, r->length, count);
    for (long k = 0; r->beta == 0 && k < record.t.n_sequences; k++)
        record.sequences[k].reference = 0;
    ptd_objective(r, &record.t, 0, record.t.n, &out);
    for (long k = 0; k < record.t.n_sequences; k++) record.sequences[k].reference = 1;
    for (long i = 0; i < record.t.n; i++)
        loss += part[i] - r->bonus * record.entropy[i] / record.t.n;
    return loss;
}

/* To six digits. */
static void check_number(double got, double want, const char *what)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-12))
        fail_msg("%s %s: %s is %.12g, TRL's %.12g", asked.name, asked.options, what, got, want);
}

static void check_case(char *at)
{
    double dlogp[TOKENS];
    asked.name = strsep(&at, " ");
    snprintf(asked.options, sizeof asked.options, "%s", strsep(&at, " "));
    struct ptd_loss_rules r = rules_of();
    check_number(ask(&r, dlogp), word(&at), "the loss");
    for (long i = 0; i < record.t.n; i++) check_number(dlogp[i], word(&at), "a gradient");
    record.cases++;
}

static void read_line(char *line)
{
    char *at = line, *kind = strsep(&at, " \n");
    if (!strcmp(kind, "limit")) record.limit = word(&at);
    if (!strcmp(kind, "response")) read_response(at);
    if (!strcmp(kind, "token")) read_token(at);
    if (!strcmp(kind, "case")) check_case(at);
    record.ended |= !strcmp(kind, "end");
}

static void losses_are_those_of_trl(void **state)
{
    FILE *f = fopen("tests/vectors/trl.txt", "r");
    char *line = NULL;
    size_t cap = 0;
    (void)state;
    assert_non_null(f);
    record.t = (struct ptd_tokens){.logp = record.logp,
                                   .old = record.old,
                                   .ref = record.ref,
                                   .advantage = record.advantage,
                                   .weight = record.weight,
                                   .sequence = record.sequence,
                                   .sequences = record.sequences};
    while (getline(&line, &cap, f) > 0) read_line(line);
    free(line);
    fclose(f);
    assert_true(record.ended && record.cases == 21 && record.t.n == 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(losses_are_those_of_trl)};
    return cmocka_run_group_tests_name("trl", tests, NULL, NULL);
}
