/* progress: one line on stderr, redrawn at most ten times a second, with rate and ETA; nothing if
 * stderr is no terminal (then one plain line every 30 s). */
#ifndef PTD_PROGRESS_H
#define PTD_PROGRESS_H
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
#endif
