/* watch: a run as it goes: its store, the programs that work on it (board.h), and its metrics. It
 * only looks.
 *
 *     struct ptd_watch *w = ptd_watch_open("run.ptd", files, n, "reward/accuracy,actor/entropy");
 *     for (;;) {
 *         if (ptd_watch_look(w) < 0) ...
 *         ptd_watch_text(w, &form, put, ctx);      // lines for a terminal
 *         char *state = ptd_watch_state(w);        // JSON for a page
 *     }
 *     ptd_watch_close(w);
 *
 * Programs are those of this user on this machine that say they work on the store, asleep or not.
 * ETA: by the pace of ptd-update since it started, or, where it does not run here, none. Answers
 * are the last ones that a judged stream passed by. */
#ifndef PTD_WATCH_H
#define PTD_WATCH_H
#include "base/board.h"
#include "base/err.h"

struct ptd_watch;
/* store: a folder; files: metrics, [n] of them; none: metrics.jsonl beside the store, if there is
 * one. fields: names by comma, of which the view shows curves; NULL: a choice of those that are
 * there. NULL: 65, 66, 77, 78 as of stores and metrics. */
struct ptd_watch *ptd_watch_open(const char *store, char *const *files, int n, const char *fields);
int ptd_watch_look(struct ptd_watch *w) PTD_MUST_CHECK;
void ptd_watch_close(struct ptd_watch *w);

struct ptd_watch_form {
    int width, height; /* columns and lines there are */
    int braille;       /* curves of dots, 2 x 4 a column; else of '*' */
};
enum { PTD_WATCH_PLAIN, PTD_WATCH_STRONG, PTD_WATCH_CURVE };
/* At most `height` lines of at most `width` columns; strength: one of the above. */
void ptd_watch_text(const struct ptd_watch *w, const struct ptd_watch_form *f,
                    void (*put)(void *ctx, const char *line, int strength), void *ctx);
/* {"store", "generation", "steps", "trained", "eta", "left", "lines", "programs": [{"name", "pid",
 * "does", "awaits", "done", "total", "step", "step_seconds", "busy", "tokens_per_second", "queued",
 * "memory", "groups"}], "answers": [{"question", "answer", "outcome", "text"}]}; malloc'd. "lines"
 * grows with the metrics. */
char *ptd_watch_state(const struct ptd_watch *w);
/* {NAME: [[step, value], ...]} of all metrics, each of at most `most` points, means of neighbours;
 * malloc'd */
char *ptd_watch_series(const struct ptd_watch *w, int most);
#endif
