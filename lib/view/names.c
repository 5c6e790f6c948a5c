/* names: see names.h. */
#include "view/names.h"
#include "base/err.h"
#include <stdio.h>
#include <string.h>

/* NULL: theirs is ours. A name that ends in '*' stands for all that begin so, and what follows goes
 * in the place of theirs' '*'. The first row that fits counts. */
static const struct row {
    const char *ours, *trl, *verl;
} rows[] = {
    {"actor/loss", "loss", NULL},
    {"actor/grad_norm", "grad_norm", NULL},
    {"actor/lr", "learning_rate", NULL},
    {"actor/entropy", "entropy", NULL},
    {"actor/kl_loss", "kl", NULL},
    {"critic/kl", "critic/kl", "actor/reward_kl_penalty"},
    {"actor/pg_clipfrac_higher", "clip_ratio/region_mean", "actor/pg_clipfrac"},
    {"actor/sampling_gap/mean", "sampling/sampling_logp_difference/mean", NULL},
    {"actor/sampling_gap/max", "sampling/sampling_logp_difference/max", NULL},
    {"actor/tis/mean", "sampling/importance_sampling_ratio/mean", NULL},
    {"actor/tis/min", "sampling/importance_sampling_ratio/min", NULL},
    {"reward/overall", "reward", NULL},
    {"reward/unparsable", "reward/unparsable", NULL},
    {"reward/*", "rewards/*/mean", NULL},
    {"response_length/mean", "completions/mean_length", NULL},
    {"response_length/min", "completions/min_length", NULL},
    {"response_length/max", "completions/max_length", NULL},
    {"response_length/clip_ratio", "completions/clipped_ratio", NULL},
    {"timing_s/step", "step_time", NULL},
    {"val/*", "eval/*", "val-core/*"},
};
#define ROWS (sizeof rows / sizeof *rows)

int ptd_names_of(const char *word)
{
    static const char *const words[] = {"ours", "trl", "verl"};
    for (int i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0) return i;
    return ptd_fail(PTD_USAGE,
                    "--names: there are none of \"%.64s\", expected one of " PTD_NAMES_HELP, word);
}

/* What stands for the '*', "" if there is none; NULL: it does not fit. */
static const char *fits(const char *pattern, const char *name)
{
    size_t n = strcspn(pattern, "*");
    if (strncmp(pattern, name, n) != 0) return NULL;
    if (pattern[n]) return name + n;
    return name[n] ? NULL : "";
}

static const struct row *row_of(const char *ours, const char **rest)
{
    for (size_t i = 0; i < ROWS; i++)
        if ((*rest = fits(rows[i].ours, ours))) return &rows[i];
    return NULL;
}

const char *ptd_name_in(enum ptd_names names, const char *ours, char *out, size_t cap)
{
    const char *rest = "", *theirs = NULL;
    const struct row *r = names ? row_of(ours, &rest) : NULL;
    if (r) theirs = names == PTD_NAMES_TRL ? r->trl : r->verl;
    const char *run =
        names != PTD_NAMES_TRL || (theirs && !strncmp(theirs, "eval/", 5)) ? "" : "train/";
    if (!theirs) {
        snprintf(out, cap, "%s%s", run, ours);
        return out;
    }
    int star = (int)strcspn(theirs, "*");
    snprintf(out, cap, "%s%.*s%s%s", run, star, theirs, rest,
             theirs[star] ? theirs + star + 1 : "");
    return out;
}
