/* stat_json: see stat.h. */
#include "view/show.h"
#include "view/stat.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Valid whatever its bytes. */
static json_t *text(const char *s)
{
    return ptd_show_text(s ? s : "", s ? strlen(s) : 0);
}

static json_t *number(double x)
{
    return isnan(x) ? json_null() : json_real(x);
}

static json_t *ends(const struct ptd_range *r)
{
    return json_pack("[o, o]", number(r->lo), number(r->hi));
}

static json_t *share(double part, long whole)
{
    return number(whole ? part / (double)whole : NAN);
}

/* ---- categories ---- */

static void put_figures(json_t *o, const struct ptd_tally *t, const struct ptd_tally_rules *rules)
{
    struct ptd_range r[PTD_FIGURES_MAX];
    json_t *intervals = json_object();
    ptd_tally_ranges(t, rules, r);
    for (int f = 0; f < rules->n_figures; f++) {
        json_object_set_new(o, rules->figure[f].name, number(r[f].value));
        json_object_set_new(intervals, rules->figure[f].name, ends(&r[f]));
        if (!f) json_object_set_new(o, "interval", ends(&r[f]));
    }
    json_object_set_new(o, "intervals", intervals);
}

static json_t *object(const struct ptd_tally *t, const struct ptd_tally_rules *rules)
{
    json_t *o = json_object();
    json_object_set_new(o, "prompts", json_integer(t->prompts));
    json_object_set_new(o, "responses", json_integer(t->n));
    put_figures(o, t, rules);
    json_object_set_new(o, "format", share((double)t->form, t->n));
    json_object_set_new(o, "unparsable", share((double)t->unparsable, t->n));
    json_object_set_new(o, "cut", share((double)t->cut, t->n));
    json_object_set_new(o, "distinct", share(ptd_answers_different(&t->answers), t->answers.given));
    json_object_set_new(o, "length", share((double)t->tokens, t->n));
    json_object_set_new(o, "all_fail", share((double)t->all_fail, t->prompts));
    json_object_set_new(o, "all_pass", share((double)t->all_pass, t->prompts));
    /* what sampling at temperature 1 estimates without bias: the policy's entropy per token, nats
     */
    json_object_set_new(o, "entropy", share(t->surprise, t->sampled));
    return o;
}

/* ---- answers ---- */

static json_t *answer(const struct ptd_answer_tally *a, long responses, long groups)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "answer", text(a->as), "given",
                     share((double)a->times, responses), "right", share((double)a->right, a->times),
                     "expected", share((double)a->expected, groups));
}

static json_t *answers(const struct ptd_tally *t, int n)
{
    const struct ptd_answers *a = &t->answers;
    int *which = ptd_array((size_t)n + 1, sizeof *which), best = ptd_answers_best_guess(a);
    json_t *frequent = json_array();
    n = ptd_answers_frequent(a, which, n);
    for (int i = 0; i < n; i++)
        json_array_append_new(frequent, answer(&a->at[which[i]], t->n, a->groups));
    free(which);
    return json_pack("{s:i, s:i, s:o, s:o}", "different", ptd_answers_different(a), "expected",
                     ptd_answers_wanted(a), "baseline",
                     best < 0 ? json_null()
                              : json_pack("{s:o, s:o}", "answer", text(a->at[best].as), "accuracy",
                                          share((double)a->at[best].expected, a->groups)),
                     "frequent", frequent);
}

/* ---- two streams, calibration ---- */

static json_t *paired(const struct ptd_stat *s)
{
    const struct ptd_paired *p = s->paired;
    json_t *figures = json_object();
    for (int f = 0; f < s->rules->n_figures; f++)
        json_object_set_new(figures, s->rules->figure[f].name,
                            json_pack("{s:o, s:o, s:o, s:o}", "here", number(p->here[f].value),
                                      "there", number(p->there[f].value), "difference",
                                      number(p->more[f].value), "interval", ends(&p->more[f])));
    return json_pack("{s:o, s:I, s:I, s:I, s:o, s:{s:I, s:I, s:I, s:I, s:f}}", "stream",
                     text(s->other), "prompts", (json_int_t)p->prompts, "only_here",
                     (json_int_t)p->only_here, "only_there", (json_int_t)p->only_there, "figures",
                     figures, "mcnemar", "both", (json_int_t)p->right_both, "here",
                     (json_int_t)p->right_here, "there", (json_int_t)p->right_there, "none",
                     (json_int_t)p->wrong_both, "p", p->p);
}

static json_t *calibration(const struct ptd_stat *s)
{
    const struct ptd_calibrated *c = s->calibration;
    json_t *bins = json_array();
    for (int i = 0; i < PTD_BINS; i++)
        json_array_append_new(
            bins, json_pack("{s:I, s:o, s:o, s:o}", "responses", (json_int_t)c->bin[i].n,
                            "confidence", number(c->bin[i].confidence), "right",
                            number(c->bin[i].right.value), "interval", ends(&c->bin[i].right)));
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "by", s->sure_by, "responses",
                     (json_int_t)s->responses, "confidence", number(c->confidence), "right",
                     number(c->right), "ece", number(c->ece), "brier", number(c->brier), "auroc",
                     number(c->auroc), "bins", bins);
}

void ptd_stat_json(const struct ptd_stat *s)
{
    json_t *categories = json_object();
    for (int i = 0; i < s->here->n; i++)
        json_object_set_new(categories, s->here->row[i].name, object(&s->here->row[i], s->rules));
    json_t *all = json_pack("{s:o, s:o, s:I, s:o, s:o, s:o}", "store", text(s->head->store), "data",
                            text(s->head->data), "generation", (json_int_t)s->generation, "total",
                            object(&s->here->total, s->rules), "categories", categories, "answers",
                            answers(&s->here->total, s->answers));
    if (s->paired) json_object_set_new(all, "against", paired(s));
    if (s->calibration) json_object_set_new(all, "calibration", calibration(s));
    ptd_show_json(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
}
