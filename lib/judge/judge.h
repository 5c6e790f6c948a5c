/* judge: is an answer right? One gold answer is made ready once, and any number of answers are held
 * against it. All by rule; the time for an answer is bounded, whatever it says.
 *
 *     const struct ptd_judge *rule = ptd_judge_named("auto");             // NULL: 2
 *     struct ptd_gold *g = ptd_gold_new(rule, &ptd_judge_defaults, &asked); // NULL: 65
 *     double accuracy = ptd_gold_score(g, answer, len, &reason);
 *     ptd_gold_free(g);
 *
 * Rules are rows of a table (ptd_judges, lib/judge/judge.c); a row of another file is declared
 * there.
 *   auto    by the gold: an option letter, or a letter with its text (B. 12 cm), is held against
 *           letters; anything else against what the answer says (value.h), whatever its dress
 *   exact   equal as text: NFC and case folded, \text{} and $ unwrapped, blanks kept only between
 *           words, no full stop at the end
 *   number  both are numbers, perhaps with a unit
 *   choice  the same option letters: B, b, (B), B), Option B, \textbf{(B)}, B) 12 cm; AC is A and C
 *   math    both are mathematics, no text
 *   set     lists, in any order even where brackets would give them one
 *   text    the same words: case, quotes, a full stop and an article in front aside
 *   iou     boxes that cover each other, point points inside of boxes, f1 lists by F1: judge/iou.c,
 *           judge/point.c, judge/f1.c
 *
 * Where one thing is asked several are wrong ("12 or 13", "(A) or (B)"), and so is what nobody can
 * tell. Where the question lists options (options.h) the text of the right one is right, another
 * one's is wrong, and a letter is right if its option says what the gold says.
 *
 * Units: `drop` looks at numbers only; `keep` wants the gold's unit, by any of its names; `convert`
 * takes another unit of the same dimension (1.2 m, 120 cm), or none; `auto` drops the answer's
 * where the gold has none, and converts where it has one. A percentage is a number: 0.6, 60 %, 3/5;
 * without its sign it counts as 60, not as 0.6, only from 2 on. */
#ifndef PTD_JUDGE_H
#define PTD_JUDGE_H
#include "base/err.h"
#include <stddef.h>

enum ptd_units { PTD_UNITS_AUTO, PTD_UNITS_DROP, PTD_UNITS_KEEP, PTD_UNITS_CONVERT };

struct ptd_judge_settings {
    int units;                 /* of enum ptd_units */
    double relative, absolute; /* tolerance of numbers; 0 and 0: they must be equal */
    double iou; /* a box is right from this iou on; 0: the iou itself is its accuracy */
};
extern const struct ptd_judge_settings ptd_judge_defaults;

/* What was asked and what is right. Texts must live as long as the gold made of them. */
struct ptd_asked {
    const char *answer;
    char *const *answers; /* accepted besides it, NULL: none */
    int n_answers;
    const char *question; /* its options are read from it; NULL: not known */
};

struct ptd_reading; /* value.h */
struct ptd_judge {  /* a row */
    const char *name, *help;
    /* The gold in the rule's own terms. NULL after ptd_fail (65): it is none of the rule's. */
    void *(*ready)(const struct ptd_asked *, const char *answer, const struct ptd_judge_settings *);
    /* 0..1; *reason (static) is set where the answer cannot be read under this rule. */
    double (*score)(const void *gold, const char *answer, size_t len,
                    const struct ptd_judge_settings *, const char **reason);
    void (*clear)(void *gold);
    /* What it judges cannot be taken for something else: where nothing is marked as the answer, all
     * of the response behind the thought is. */
    int anywhere;
    /* 1 if what was read says what the gold says, an option's letter aside; NULL: nobody can tell.
     */
    int (*says)(const void *gold, struct ptd_reading *, const struct ptd_judge_settings *);
    /* Where, in a response without box and tag, what answers by its form alone begins, before
     * anything that is stated; n: nowhere. NULL: the rule knows no such form. */
    size_t (*unmarked)(const char *behind_thought, size_t n);
    double right_from; /* a response is right from this accuracy on; 0: PTD_RIGHT_FROM */
};
#define PTD_RIGHT_FROM 0.5
extern const struct ptd_judge *const ptd_judges[]; /* NULL at the end */
/* NULL, 2: no such rule; the line names all there are. */
const struct ptd_judge *ptd_judge_named(const char *name);
char *ptd_judge_names(void); /* "auto, exact, ...", malloc'd */

/* rule NULL: auto; settings NULL: ptd_judge_defaults. NULL after ptd_fail (65): the gold, or one of
 * the accepted alternatives, cannot be read under the rule. */
struct ptd_gold *ptd_gold_new(const struct ptd_judge *rule, const struct ptd_judge_settings *,
                              const struct ptd_asked *);
/* The accuracy, 0..1, the best of all accepted answers'. *reason NULL, or why the answer could be
 * read against none of them: then the accuracy is 0 and the outcome unparsable. reason may be
 * NULL. */
double ptd_gold_score(const struct ptd_gold *, const char *answer, size_t len, const char **reason);
void ptd_gold_free(struct ptd_gold *); /* NULL: nothing */

/* Where a text says what the judge would take for the answer, in whatever dress: 12 as "12.0",
 * "a dozen", "3 \cdot 4" or "12 cm", the text of the right option too. Letters of options are left
 * to others, for a letter alone is a word of its own. Returns how many places of at most `most` it
 * wrote, in order; at, len are bytes of the text. The time taken follows the length of the text. */
struct ptd_sighting {
    size_t at, len;
};
int ptd_gold_sightings(const struct ptd_gold *, const char *text, size_t n, struct ptd_sighting *,
                       int most);

/* For one answer: 1 if it is right. */
int ptd_answer_right(const char *rule, const char *answer, size_t len, const char *gold);

/* The option letter 'A'..'J' that the text names, 0 if none. */
char ptd_choice_parse(const char *s, size_t n);
/* The same for a gold answer that is nothing but a letter: "B", "(b)". */
char ptd_gold_letter(const char *gold);
#endif
