/* progress: how far a program is, on stderr, with rate and ETA.
 *
 * On a terminal, all programs that share it are one block of lines, a program a line, in the order
 * of their pipe: who works, who waits for whom (board.h). Any of them draws it, at most ten times a
 * second together; above the block stands an empty line for whatever else is written there, and a
 * message has the block wiped first. Where stderr is no terminal: one plain line every 30 s of who
 * counts something; nothing after -q. */
#ifndef PTD_PROGRESS_H
#define PTD_PROGRESS_H
#include "base/board.h"
#include <stddef.h>

struct ptd_progress {
    const char *what; /* "steps" */
    long done, first,
        total; /* total 0: unknown; first: done before this run (resume), left out of the rate */
    double started, drawn;
    int on; /* 0 off, 1 terminal, 2 plain lines */
};

double ptd_now(void); /* monotonic seconds */
void ptd_progress_start(struct ptd_progress *p, const char *what, long first, long total);
/* `note` (may be NULL) ends the line: "reward 0.41 entropy 0.15". */
void ptd_progress_set(struct ptd_progress *p, long done, const char *note);
/* The same line as words: "steps 3/150, 1.2/s, 0:05, ETA 2:01, NOTE". */
void ptd_progress_words(const struct ptd_progress *p, const char *note, char *out, size_t cap);
void ptd_progress_clear(struct ptd_progress *p); /* before a message, and at the end */

/* Whom one of all[n] waits for: "ptd-ref", "input"; NULL: it works. */
const char *ptd_progress_awaits(const struct ptd_post *p, const struct ptd_post *all, int n);
/* What a program's line of the block says, of one of all[n]. */
void ptd_progress_row(const struct ptd_post *p, const struct ptd_post *all, int n, char *out,
                      size_t cap);
/* For who counts nothing, but is part of the block: joins the board, and draws it if it is time. */
void ptd_progress_join(void);
void ptd_progress_tick(void);
/* ms after which who waits should tick again, for poll(); -1: never. */
int ptd_progress_patience(void);
#endif
