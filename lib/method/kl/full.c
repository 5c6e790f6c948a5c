/* full: the divergence itself, over the whole vocabulary, with its own gradient.
 *
 *     sum over words v of pi_v ln(pi_v / ref_v)
 *
 * It needs what the reference says of every word, so the reference reads beside the student
 * (method/reference.h), and no log-probs of it are read from the stream. */
#include "method/kl/kl.h"

const struct ptd_kl ptd_kl_full = {
    .is = {.name = "full", .formula = "sum pi ln(pi / ref), over the vocabulary", .paper = ""},
};
