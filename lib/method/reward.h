/* reward: find the answer in a response, judge it against the gold answer, and look at the form of
 * the response. All by rule, in linear time.
 *
 * Extraction: `boxed` takes the last \boxed{...} with matched braces, `tag` the last
 * <answer>...</answer>, `auto` the first of the two that is there.
 *
 * Judging, by the gold answer under `auto` (a number: number; one letter A-J: choice; else exact):
 *   exact   equal after normalising: NFC and case folded, \text{} and $ unwrapped, blanks kept only
 *           between words, no full stop at the end
 *   number  equal as exact rationals: 12 = 12.0 = 1.2e1 = 12/1 = \frac{24}{2}; 1,234 = 1234; a
 *           percent sign is dropped (50% is 50).
 *           No tolerance: .333 is not 1/3. What does not fit 64-bit integers falls back to exact
 *               text
 *   choice  option letters in any usual dress: B, b, (B), [B], B., B) 12 cm, Option B, \text{B}
 *
 * Form: `boxed` exactly one \boxed{} and nothing but blanks, $ or a full stop after it; `think`
 * <think>...</think> first and a \boxed{} after it; `answer-tag` exactly one <answer>...</answer>
 * and nothing but blanks after it. */
#ifndef PTD_REWARD_H
#define PTD_REWARD_H
#include "base/err.h"
#include "flow/record.h"

enum ptd_extract_rule { PTD_EXTRACT_AUTO, PTD_EXTRACT_BOXED, PTD_EXTRACT_TAG };
enum ptd_judge_rule { PTD_JUDGE_AUTO, PTD_JUDGE_EXACT, PTD_JUDGE_NUMBER, PTD_JUDGE_CHOICE };
enum ptd_format_rule { PTD_FORMAT_BOXED, PTD_FORMAT_THINK, PTD_FORMAT_TAG };

struct ptd_reward_rules {
    int extract, judge, format; /* of the enums above */
    double format_weight, accuracy_weight;
};
/* Rules by name ("auto", "boxed", "answer-tag", ...); -1 with status 2 names the ones there are.
 * Weights are left alone. */
int ptd_reward_rules_parse(struct ptd_reward_rules *r, const char *extract, const char *judge,
                           const char *format) PTD_MUST_CHECK;
/* Fills every rollout's outcome, extracted, accuracy, format and reward; the text of `extracted`
 * lives in g's arena. -1 (65), and nothing is filled: no answer, or a rollout without text, which
 * is no empty response, since nobody knows what was said. */
int ptd_reward_score(const struct ptd_reward_rules *r, struct ptd_group *g) PTD_MUST_CHECK;

/* ---- the parts ---- */
/* The answer inside text, blanks around it left out; *len bytes; NULL if there is none. */
const char *ptd_answer_find(int extract_rule, const char *text, size_t *len);
int ptd_answer_right(int judge_rule, const char *answer, size_t len, const char *gold);
/* The same for many answers to one gold answer, which is made ready once. */
struct ptd_gold *ptd_gold_new(int judge_rule, const char *gold);
int ptd_gold_right(const struct ptd_gold *g, const char *answer, size_t len);
void ptd_gold_free(struct ptd_gold *g);
int ptd_format_good(int format_rule, const char *text);

struct ptd_rational {
    int64_t num, den;
}; /* lowest terms, den > 0 */
/* Length of the number that starts at s (sign, thousands commas, decimals, exponent, a/b,
 * \frac{a}{b}), its value in *r; 0 if there is none or it does not fit. */
size_t ptd_number_scan(const char *s, size_t n, struct ptd_rational *r);
/* The same for a number without sign and without a/b. */
size_t ptd_decimal_scan(const char *s, size_t n, struct ptd_rational *r);
/* 1 if the whole text is one number, perhaps in $, with a percent or degree sign, or a full stop at
 * the end. */
int ptd_number_parse(const char *s, size_t n, struct ptd_rational *r);
/* The option letter 'A'..'J' that the text names, 0 if none. */
char ptd_choice_parse(const char *s, size_t n);
/* the same for a gold answer that is nothing but a letter: "B", "(b)" */
char ptd_gold_letter(const char *gold);
/* The normal form that `exact` compares; malloc'd. */
char *ptd_text_normal(const char *s, size_t n);
#endif
