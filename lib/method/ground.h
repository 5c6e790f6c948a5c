/* ground: dense grounding for supervised fine-tuning. A picture token, read by the vocabulary head
 * as if it were a hidden state (final norm, then the head: the "logit lens"), shall name what it
 * shows: the words of the data set's object whose box holds its centre.
 *
 *     L_words = 1/M sum over the M picture tokens of groups with objects, sum over the words w of
 *         the object's label: -log softmax(head(norm(x)))_w
 *
 * It needs no parameters of its own and gives a small model trained from nothing what a pretrained
 * one has: picture tokens that speak the language of the text. Large pretrained models do not need
 * it. */
#ifndef PTD_GROUND_H
#define PTD_GROUND_H
#include "data/token.h"
#include "net/model.h"
#include "net/score.h"

struct ptd_ground {
    const struct ptd_tokenizer *tokenizer;
    const uint8_t *banned;
    double weight;
    /* of the micro-batch at hand */
    struct ptd_word {
        int32_t row, id;
    } * words; /* row: picture token in the batch */
    int n, cap;
};
/* Picture tokens that this group has a say about: those of its first picture, 0 without objects. */
long ptd_ground_count(const struct ptd_model *m, const struct ptd_group *g);
/* Notes the words of g's first picture, whose tokens begin at picture row `first` of the batch. */
int ptd_ground_add(struct ptd_ground *d, const struct ptd_model *m, const struct ptd_group *g,
                   int first) PTD_MUST_CHECK;
/* After the forward of s, made for a backward: returns sum of the losses (not divided), adds weight
 * / total times its gradient to the head, the final norm's gain and dimage [picture rows, hidden]
 * (overwritten). */
double ptd_ground_backward(struct ptd_ground *d, struct ptd_score *s, double total,
                           ptd_num *dimage);
#endif
