/* calibration: is an answer right as often as the model was sure of it?
 *
 * How sure it was of a response: by `tokens`, the geometric mean of the probabilities that its
 * tokens were sampled with, exp(sum of log-probs / n); by `response`, their product; by `votes`,
 * the share of the prompt's responses that give the same answer (answers.h; 0 where none was
 * found).
 *
 *     ECE = sum over ten bins of equal width of (responses in it / all) |mean confidence - share
 *     that is right|  (C. Guo et al., On calibration of modern neural networks, arXiv 1706.04599)
 *     Brier = mean of (confidence - right)^2
 *     AUROC = the chance that a right response has more confidence than a wrong one, ties as half
 */
#ifndef PTD_CALIBRATION_H
#define PTD_CALIBRATION_H
#include "base/interval.h"
#include "base/names.h"
#include "flow/record.h"

enum ptd_sureness { PTD_SURE_TOKENS, PTD_SURE_RESPONSE, PTD_SURE_VOTES };
int ptd_sureness_named(const char *name); /* -1: 2, with the names there are */

#define PTD_BINS 10

struct ptd_sure {
    double confidence;
    int right, prompt;
};
struct ptd_calibration {
    int by; /* enum ptd_sureness */
    struct ptd_sure *at;
    long n, cap;
    struct ptd_names prompts;
};
/* All responses of a judged group. -1: 65 no log-probs. */
int ptd_calibration_add(struct ptd_calibration *c, const struct ptd_group *g) PTD_MUST_CHECK;

struct ptd_calibration_bin {
    long n;
    double confidence;      /* mean */
    struct ptd_range right; /* share, by drawing prompts anew, or Wilson's of one response each */
};
struct ptd_calibrated {
    struct ptd_calibration_bin bin[PTD_BINS];    /* [0, 0.1), ... [0.9, 1] */
    double confidence, right, ece, brier, auroc; /* NAN: there is nothing to say it of */
};
void ptd_calibration_find(const struct ptd_calibration *c, int resamples, int64_t seed,
                          struct ptd_calibrated *out);
void ptd_calibration_clear(struct ptd_calibration *c);
#endif
