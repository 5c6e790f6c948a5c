/* How a run ends, at any moment. */
#include "update/update.h"
#include "base/output.h"
#include "base/signals.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t begun, stop_asked, untold, ahead, moved, over;

/* From a handler, at any moment: the store bears it. These are last words as err.h has them. */
static _Noreturn void leave(const char *why)
{
    static char line[400];
    const char *rank = getenv(PTD_RANKED);
    char *at = line;
    if (rank && strlen(rank) < 120) {
        const char status[] = {PTD_LAST_WORDS, '0' + PTD_STOPPED / 10, '0' + PTD_STOPPED % 10, 0};
        at = stpcpy(stpcpy(stpcpy(stpcpy(at, status), " ptd-update ("), rank), "): ");
    } else
        at = stpcpy(at, "ptd-update: ");
    at = stpcpy(stpcpy(stpcpy(at, "stopped on request"), why), "; the same command line goes on\n");
    ssize_t ignored = write(2, line, (size_t)(at - line));
    (void)ignored;
    _exit(PTD_STOPPED);
}

static void on_stop(int sig)
{
    (void)sig;
    if (!begun) leave(" before it began");
    if (!stop_asked) alarm(opt.grace);
    stop_asked = 1;
}

static void on_grace_over(int sig)
{
    (void)sig;
    if (ahead && !moved) {
        over = 1;
        ptd_ask(); /* drop_step */
        return;
    }
    if (ahead) leave("; the steps since the last published one are dropped");
    if (untold) leave("; the last step is published, but nobody took its metrics");
    leave("; the step in flight is dropped");
}

void heed_signals(void)
{
    struct sigaction alarmed = {.sa_handler = on_grace_over}; /* ends waiting */
    signal(SIGTERM, on_stop);
    if (signal(SIGHUP, on_stop) == SIG_IGN) signal(SIGHUP, SIG_IGN); /* nohup */
    signal(SIGUSR1, on_stop);
    sigaction(SIGALRM, &alarmed, NULL);
}

void put_out_lines(struct run *r)
{
    untold = 1;
    ahead = 0;
    fwrite(r->lines, 1, r->n_lines, stdout);
    if (fflush(stdout)) ptd_die(PTD_IOERR, "standard output:");
    untold = 0;
    r->n_lines = 0;
}

void settle(struct run *r)
{
    int status = ptd_failed_status();
    char *words = ptd_strdup(ptd_failed_message());
    if (ptd_train_publish(r->train)) ptd_die_last();
    put_out_lines(r);
    if (status) ptd_fail(status, "%s", words);
    free(words);
}

void on_others_end(void *ctx, int status)
{
    struct run *r = ctx;
    if (r->train && begun && !moved) settle(r);
}

_Noreturn void end_together(struct run *r)
{
    if (r->comm) ptd_ranks_end(&opt.ranks, !ptd_comm_rank(r->comm));
    ptd_die_last();
}

_Noreturn void die_settled(struct run *r)
{
    ptd_progress_clear(&r->progress);
    settle(r);
    ptd_die_last();
}

_Noreturn void drop_step(struct run *r)
{
    settle(r);
    ptd_progress_clear(&r->progress);
    ptd_die(PTD_STOPPED,
            "stopped on request after step %lld; the step in flight is dropped; the same command "
            "line goes on",
            (long long)r->train->generation);
}

/* Refused steps change nothing, so the newest weights are those of the last good step. */
_Noreturn void die_diverged(struct run *r)
{
    int bad = r->train->bad_in_row;
    int64_t good = r->train->generation - bad;
    settle(r);
    ptd_fail(PTD_DIVERGED,
             "%d refused steps in a row; the last good weights are those of generation %lld", bad,
             (long long)(opt.train.every > 1 ? r->train->generation : good));
    end_together(r);
}
