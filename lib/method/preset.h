/* preset: methods of the field by name (--method): each is a row of options of ptd-update and
 * ptd-verify, printed as it is set; what the command line gives itself wins. A method is nothing
 * else than its options.
 *
 * All but grpo are without a reference, as their papers are or as TRL has them, so ptd-ref may be
 * left out of the pipe: --beta brings it back. dapo samples on until no group is uniform, which is
 * ptd-verify's and ptd-rollout's to do. remax needs ptd-rollout --greedy-baseline.
 *
 * Losses and gradients of grpo, dapo, dr-grpo, gspo, cispo and sapo are those of TRL 1.16.0's own
 * function on the same record (tests/vectors/README.md), with these differences on purpose:
 *
 *     grpo   TRL's use_bias_correction_kl is --kl k3-unbiased; the paper's k3 is the default here
 *     gspo   with a KL, --kl k3-unbiased weights a token by its own ratio; TRL by its response's,
 *            which is no ratio of the chance of that token, so that the estimate is biased
 *     dapo   clips at 0.28 above, as the paper; TRL's loss of that name clips at 0.2 unless told
 *     all    the entropy bonus is a mean over all tokens; TRL with an entropy mask: over those
 * left. k3 is held below 10. --tis weights tokens; TRL's default drops whole responses
 *
 * A preset is one row of preset.c. */
#ifndef PTD_PRESET_H
#define PTD_PRESET_H
#include "base/method.h"

struct ptd_preset {
    struct ptd_method is;
    const char *const *set; /* option, value, option, value, ..., NULL */
};

extern ptd_method_table ptd_presets;
/* As ptd_usage wants it: the value of an option, or NULL; option NULL: NULL, 2 if there is no such
 * method. */
const char *ptd_preset(const char *name, const char *option);

#define PTD_PRESET_HELP                                                                            \
    "sets what this method is made of, and says so; options of their own win: %s"
#endif
