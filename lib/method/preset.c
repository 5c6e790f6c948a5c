/* The methods that there are, by name; see preset.h. */
#include "method/preset.h"
#include <string.h>

#define SET(...)                                                                                   \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct ptd_preset grpo = {
    .is = {.name = "grpo",
           .formula = "group-standardised rewards, PPO clip, each response one vote, k3",
           .paper = "arXiv:2402.03300"},
    .set = SET("advantage", "grpo", "loss", "ppo", "aggregate", "sequence", "clip-low", "0.2",
               "clip-high", "0.2", "clip-dual", "0", "kl", "k3", "beta", "0.04")};

static const struct ptd_preset dapo = {
    .is = {.name = "dapo",
           .formula = "clip higher above, each token one vote, no reference",
           .paper = "arXiv:2503.14476"},
    .set = SET("advantage", "grpo", "loss", "ppo", "aggregate", "token", "clip-low", "0.2",
               "clip-high", "0.28", "clip-dual", "0", "beta", "0")};

static const struct ptd_preset gspo = {
    .is = {.name = "gspo", .formula = "one ratio a response, clipped", .paper = "arXiv:2507.18071"},
    .set = SET("advantage", "grpo", "loss", "gspo", "aggregate", "sequence", "clip-low", "3e-4",
               "clip-high", "4e-4", "clip-dual", "0", "beta", "0")};

static const struct ptd_preset dr_grpo = {
    .is = {.name = "dr-grpo",
           .formula = "neither deviation nor length below a fraction bar",
           .paper = "arXiv:2503.20783"},
    .set = SET("advantage", "dr-grpo", "loss", "ppo", "aggregate", "constant", "clip-low", "0.2",
               "clip-high", "0.2", "clip-dual", "0", "beta", "0")};

static const struct ptd_preset cispo = {
    .is = {.name = "cispo",
           .formula = "capped importance weights, no token left out",
           .paper = "arXiv:2506.13585"},
    .set = SET("advantage", "grpo", "loss", "cispo", "aggregate", "token", "clip-high", "5",
               "cispo-cap", "high", "beta", "0")};

static const struct ptd_preset sapo = {.is = {.name = "sapo",
                                              .formula = "a soft gate in place of the clip",
                                              .paper = "arXiv:2511.20347"},
                                       .set = SET("advantage", "grpo", "loss", "sapo", "aggregate",
                                                  "sequence", "sapo-pos", "1", "sapo-neg", "1.05",
                                                  "beta", "0")};

static const struct ptd_preset gmpo = {.is = {.name = "gmpo",
                                              .formula = "geometric mean of clipped ratios",
                                              .paper = "arXiv:2507.20673"},
                                       .set = SET("advantage", "grpo", "loss", "gmpo", "aggregate",
                                                  "sequence", "clip-low", "0.4", "clip-high", "0.4",
                                                  "beta", "0")};

static const struct ptd_preset rloo = {
    .is = {.name = "rloo",
           .formula = "REINFORCE against the mean of the others",
           .paper = "arXiv:2402.14740"},
    .set = SET("advantage", "rloo", "loss", "reinforce", "aggregate", "token", "beta", "0")};

static const struct ptd_preset reinforce = {
    .is = {.name = "reinforce++",
           .formula = "rewards less k1, standardised over the step's tokens, PPO clip",
           .paper = "arXiv:2501.03262"},
    .set =
        SET("advantage", "reinforce++", "loss", "ppo", "aggregate", "token", "clip-low", "0.2",
            "clip-high", "0.2", "clip-dual", "0", "kl", "k1", "kl-in", "reward", "beta", "0.001")};

static const struct ptd_preset reinforce_baseline = {
    .is = {.name = "reinforce++-baseline",
           .formula = "the group's mean as baseline, the step's deviation, k2",
           .paper = "arXiv:2501.03262"},
    .set = SET("advantage", "reinforce++-baseline", "loss", "ppo", "aggregate", "token", "clip-low",
               "0.2", "clip-high", "0.2", "clip-dual", "0", "kl", "k2", "beta", "0.001")};

static const struct ptd_preset remax = {
    .is = {.name = "remax",
           .formula = "REINFORCE against the greedy answer",
           .paper = "arXiv:2310.10505"},
    .set = SET("advantage", "remax", "loss", "reinforce", "aggregate", "token", "beta", "0")};

static const struct ptd_preset gdpo = {
    .is = {.name = "gdpo",
           .formula = "each part of the reward standardised by itself",
           .paper = "arXiv:2601.05242"},
    .set = SET("advantage", "gdpo", "loss", "ppo", "aggregate", "token", "clip-low", "0.2",
               "clip-high", "0.2", "clip-dual", "0", "beta", "0")};

static const struct ptd_preset lite_ppo = {
    .is = {.name = "lite-ppo",
           .formula = "the group's mean, the step's deviation, each token one vote",
           .paper = "arXiv:2508.08221"},
    .set = SET("advantage", "batch", "loss", "ppo", "aggregate", "token", "clip-low", "0.2",
               "clip-high", "0.2", "clip-dual", "0", "beta", "0")};

static const struct ptd_preset pass = {
    .is = {.name = "pass@k",
           .formula = "only the best response of a group, by its lead",
           .paper = "arXiv:2503.19595"},
    .set = SET("advantage", "pass@k", "loss", "ppo", "aggregate", "token", "clip-low", "0.2",
               "clip-high", "0.2", "clip-dual", "0", "beta", "0")};

ptd_method_table ptd_presets = {
    &grpo.is,  &dapo.is, &gspo.is,     &dr_grpo.is,   &cispo.is,
    &sapo.is,  &gmpo.is, &rloo.is,     &reinforce.is, &reinforce_baseline.is,
    &remax.is, &gdpo.is, &lite_ppo.is, &pass.is,      NULL,
};

const char *ptd_preset(const char *name, const char *option)
{
    const struct ptd_method *m = ptd_method_named(ptd_presets, "method", name);
    if (!m || !option) return m ? name : NULL;
    const char *const *set = ((const struct ptd_preset *)m)->set;
    for (; *set; set += 2)
        if (!strcmp(*set, option)) return set[1];
    return NULL;
}
