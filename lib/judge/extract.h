/* extract: where in a response the answer is.
 *
 *     struct ptd_response r = {.text = text, .len = strlen(text)};
 *     struct ptd_answer a;
 *     if (ptd_extract(PTD_EXTRACT_AUTO, &r, &a)) ... a.text, a.len ...
 *     else ... a.reason ...
 *
 * Thoughts come first, whatever the rule: where one is closed (</think>) only what follows it
 * answers, where the response opens one and does not close it, nothing does. Where the prompt's
 * template opened the thought and the response never closes it, boxes and tags still answer.
 *
 *   boxed  the last \boxed{...} that closes, as \boxed {5}, \boxed 5, \fbox{5}, boxed{5} and
 *          <|begin_of_box|>5<|end_of_box|> too; of boxes in a box the outer one, unless it holds
 *          nothing else. Boxes side by side, with nothing but blanks, dressing, "or", "and" and the
 *          like between them, are one statement of several parts; "\boxed{19} ... no, \boxed{22}"
 *          is not, and 22 answers.
 *   tag    the last <answer>...</answer>, in any case, the end of the response closing it too; a
 *          box in it answers, or what it announces ("The answer is 36")
 *   last   what is stated at the end, without box or tag; see stated.h
 *   auto   the later of box and tag; where there is neither, what is stated
 *
 * An empty box or tag is no answer, and none before it answers instead; nor does one before a box
 * that is cut. The time taken follows the length of the response. */
#ifndef PTD_EXTRACT_H
#define PTD_EXTRACT_H
#include "judge/span.h"

enum ptd_extract_rule { PTD_EXTRACT_AUTO, PTD_EXTRACT_BOXED, PTD_EXTRACT_TAG, PTD_EXTRACT_LAST };
extern const char *const ptd_extract_names[]; /* in this order; NULL at the end */

struct ptd_response {
    const char *text;
    size_t len;
    int thought_opened; /* by the template, at the end of the prompt */
    int cut;            /* it was stopped by its length: what it says last may not be whole */
};

#define PTD_PARTS 8
struct ptd_answer {
    const char *text; /* within the response; NULL: none */
    size_t len;
    const char *reason; /* why there is none, else NULL: "no box", "no tag", "no answer", "empty",
                           "cut", "thought not closed", "two answers" (over PTD_PARTS boxes) */
    /* Over 1: boxes side by side, text reaching from the first to behind the last. For an answer
     * that is one thing every part must be right; for a list they are its members. */
    int n_parts;
    struct ptd_span part[PTD_PARTS];
};
/* 1: there is one, 0: none. */
int ptd_extract(int rule, const struct ptd_response *r, struct ptd_answer *a);
/* The answer's text, its parts without their boxes and with ", " between them; malloc'd. */
char *ptd_answer_joined(const struct ptd_answer *a);

/* ---- for the form ---- */
/* What answers: the text behind the last closed thought, the whole response if there is none. NULL
 * in s: the response opened a thought and left it open. *thought: 1 if one was closed. */
struct ptd_span ptd_behind_thought(const struct ptd_response *r, int *thought);
struct ptd_box {
    const char *start, *behind; /* of the whole, command or mark included */
    struct ptd_span in;
};
/* How many boxes close in s (of boxes in a box the outer one counts), and in *last the last one. */
int ptd_boxes_count(struct ptd_span s, struct ptd_box *last);
/* Nothing in it but blanks, dressing (\text{}, $, \,) and dots. */
int ptd_span_empty(struct ptd_span s);
#endif
