/* audit: do hints tell? The frozen reference model answers each group of a sample under four views,
 * and what a hint alone is worth is measured, not promised:
 *
 *     neither   the question alone          picture   as the student reads it
 *     hint      question and hint           both      as the teacher reads it
 *
 * Without the picture a question has no answer but a guess. A hint that says only where to look and
 * how to go on leaves it a guess; one that tells makes it an answer. A source tells if accuracy
 * under `hint` lies above that under `neither` by more than the 95 % range of the difference over
 * the same groups (interval.h), as far as that goes: of honest sources at most one in 40 does so
 * by chance, and a sample that is too small finds nothing.
 *
 *     struct ptd_audit *a = ptd_audit_open(&tools, hints, &options);
 *     while (... a group g ...) if (ptd_audit_add(a, g) < 0) ...   // counts hints, samples, judges
 *     for (int i = 0; i < ptd_audit_rows(a); i++) ... ptd_audit_row(a, i) ...
 *     ptd_audit_close(a);
 *
 * Each source is asked on its own; a hint that a group brings (of a program of yours, or one
 * edited) is a source too, by the name that it bears, and stands for ours of that name. Hints that
 * a rule drops are measured apart: they show whether the model follows what is said at all. Left
 * out are groups without a picture (nothing is hidden from a hint) and without an answer.
 *
 * All views of a group draw with the same random numbers, of (seed, uid): the same groups give the
 * same figures in any order. One group is held at a time. */
#ifndef PTD_AUDIT_H
#define PTD_AUDIT_H
#include "base/interval.h"
#include "method/hint/hint.h"
#include "method/reward.h"

#define PTD_AUDIT_SOURCES 32 /* most names of sources in a stream */
#define PTD_AUDIT_RULES   32

struct ptd_audit_options {
    int answers, max_tokens; /* to each group under each view */
    double temperature;
    uint64_t seed;
    struct ptd_reward_rules rules; /* how answers are found and judged */
};

struct ptd_audit_measure { /* shares of right answers, in pairs without the hint and with it */
    struct ptd_pairs blind, seeing;
};

struct ptd_audit_row { /* of a source */
    const char *source;
    long groups, hints, dropped[PTD_AUDIT_RULES]; /* by the rules' order in spoiler.h */
    struct ptd_audit_measure kept, told;          /* told: of hints that a rule dropped */
};

struct ptd_audit;
/* NULL on failure. tools and hints stay the caller's. */
struct ptd_audit *ptd_audit_open(struct ptd_hint_tools *tools, struct ptd_hints *hints,
                                 const struct ptd_audit_options *o);
/* 1: measured, 0: left out, -1 failure. */
int ptd_audit_add(struct ptd_audit *a, struct ptd_group *g) PTD_MUST_CHECK;
int ptd_audit_rows(const struct ptd_audit *a);
const struct ptd_audit_row *ptd_audit_row(const struct ptd_audit *a, int i);
struct ptd_audit_counts {
    long groups, without_picture, without_answer;
};
struct ptd_audit_counts ptd_audit_counted(const struct ptd_audit *a);
void ptd_audit_close(struct ptd_audit *a);

/* 1: it tells, 0: not as far as can be seen, -1: no hint of it was measured. */
int ptd_audit_tells(const struct ptd_audit_row *r);
#endif
