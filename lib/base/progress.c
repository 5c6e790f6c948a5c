/* Progress on stderr: a line of our own, and the block that programs on one terminal share.
 * Leaves to callers: what is counted and when to report it. */
#include "base/progress.h"
#include "base/board.h"
#include "base/err.h"
#include "base/printable.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { OFF, TERMINAL, PLAIN };
#define REDRAW      0.1
#define PATIENCE    250 /* ms */
#define PLAIN_EVERY 30.0
#define WAITING     0.3 /* seconds; who waits less is at work */
#define WIPE        "\r\033[J"

/* What was read of the board last: too much for a small stack, so one thread at a time. */
static struct ptd_post list[PTD_POSTS];
static pthread_mutex_t listing = PTHREAD_MUTEX_INITIALIZER;
static int shown; /* the cursor stands where the block, or the line, begins */

double ptd_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void put(const char *text, size_t n)
{
    if (write(2, text, n) < 0) return;
}

static int is_drawn(void)
{
    const struct ptd_post *own = ptd_board_own();
    return own && own->tty;
}

/* Another program of our terminal drew the block. */
static int drew_another(void)
{
    int drew = 0;
    if (!is_drawn() || pthread_mutex_trylock(&listing)) return 0;
    int n = ptd_board_list(list);
    for (int i = 0; i < n; i++) drew |= list[i].tty == ptd_board_own()->tty && list[i].painted > 0;
    pthread_mutex_unlock(&listing);
    return drew;
}

static void wipe(void)
{
    if (shown || drew_another()) put(WIPE, strlen(WIPE));
    shown = 0;
}

static int pick_mode(void)
{
    if (ptd_is_quiet()) return OFF;
    return is_drawn() ? TERMINAL : PLAIN;
}

/* ---- words ---- */

static void span(char *out, size_t cap, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s < 3600)
        snprintf(out, cap, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, cap, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* Seconds left, or -1 while it would be a guess: before 5 s and 5 % have passed. */
static double left(const struct ptd_progress *p, double elapsed)
{
    long did = p->done - p->first, todo = p->total - p->first;
    if (did <= 0 || todo <= 0 || p->done > p->total) return -1;
    if (elapsed < 5 && (double)did < 0.05 * (double)todo) return -1;
    return elapsed / (double)did * (double)(p->total - p->done);
}

static void compose(const struct ptd_progress *p, double now, const char *note, char *out,
                    size_t cap)
{
    char counts[64], eta[40] = "", took[32], time[32];
    double elapsed = now - p->started, rest = left(p, elapsed);
    double rate = elapsed > 0 ? (double)(p->done - p->first) / elapsed : 0;
    span(took, sizeof took, elapsed);
    if (p->total > 0)
        snprintf(counts, sizeof counts, "%ld/%ld", p->done, p->total);
    else
        snprintf(counts, sizeof counts, "%ld", p->done);
    if (rest >= 0) span(time, sizeof time, rest), snprintf(eta, sizeof eta, ", ETA %s", time);
    snprintf(out, cap, "%s %s, %.3g/s, %s%s%s%s", p->what, counts, rate, took, eta,
             note && *note ? ", " : "", note ? note : "");
}

void ptd_progress_words(const struct ptd_progress *p, const char *note, char *out, size_t cap)
{
    compose(p, ptd_now(), note, out, cap);
}

/* Who is at the other end of a pipe. */
static const char *at_end(const struct ptd_post *all, int n, uint64_t in, uint64_t out)
{
    for (int i = 0; i < n; i++)
        if ((in && all[i].out == in) || (out && all[i].in == out)) return all[i].name;
    return NULL;
}

static const char *trainer_of(const struct ptd_post *p, const struct ptd_post *all, int n)
{
    for (int i = 0; i < n; i++)
        if (p->ino && all[i].ino == p->ino && all[i].dev == p->dev &&
            !strcmp(all[i].name, "ptd-update"))
            return all[i].name;
    return NULL;
}

const char *ptd_progress_awaits(const struct ptd_post *p, const struct ptd_post *all, int n)
{
    double now = ptd_now();
    const char *name = NULL;
    if (p->doing == PTD_WORKS || now - p->since < WAITING) return NULL;
    if (p->doing == PTD_READS) name = at_end(all, n, p->in, 0);
    if (p->doing == PTD_WRITES) name = at_end(all, n, 0, p->out);
    if (p->doing == PTD_WAITS) name = trainer_of(p, all, n);
    if (name) return name;
    return p->doing == PTD_READS    ? "input"
           : p->doing == PTD_WRITES ? "who reads it"
                                    : "the trainer";
}

static double seconds_of_work(const struct ptd_post *p, double now)
{
    return p->spent[PTD_WORKS] + (p->doing == PTD_WORKS ? now - p->since : 0);
}

void ptd_progress_row(const struct ptd_post *p, const struct ptd_post *all, int n, char *out,
                      size_t cap)
{
    char counts[256], speed[48] = "";
    double now = ptd_now(), worked = seconds_of_work(p, now);
    const char *whom = ptd_progress_awaits(p, all, n);
    struct ptd_progress q = {.what = p->what,
                             .done = (long)p->done,
                             .first = (long)p->first,
                             .total = (long)p->total,
                             .started = p->begun};
    if (*p->what)
        compose(&q, now, p->note, counts, sizeof counts);
    else if (p->step)
        snprintf(counts, sizeof counts, "step %lld", (long long)p->step);
    else
        snprintf(counts, sizeof counts, "%lld groups", (long long)p->groups);
    if (p->tokens && worked > 0.1)
        snprintf(speed, sizeof speed, ", %.0f tokens/s", (double)p->tokens / worked);
    snprintf(out, cap, "%s: %s%s%s%s", p->name, counts, speed, whom ? ", waits for " : "",
             whom ? whom : "");
}

/* ---- drawing ---- */

static void on_end(int number)
{
    put(WIPE, strlen(WIPE));
    signal(number, SIG_DFL);
    raise(number);
}

/* Ends that nobody here heeds leave no lines under the next prompt. */
static void tidy_ends(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    static int done;
    struct sigaction a;
    for (int i = 0; i < 3 && !done; i++)
        if (sigaction(ends[i], NULL, &a) == 0 && a.sa_handler == SIG_DFL) signal(ends[i], on_end);
    if (!done) atexit(wipe), at_quick_exit(wipe);
    done = 1;
}

struct screen {
    int width, height;
};

static struct screen screen_of(void)
{
    struct winsize w;
    struct screen s = {80, 24};
    if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 10) s.width = w.ws_col;
    if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_row > 1) s.height = w.ws_row;
    return s;
}

static char *row_of(const struct ptd_post *p, const struct ptd_post *all, int n, int width)
{
    char text[512];
    ptd_progress_row(p, all, n, text, sizeof text);
    return ptd_printable_cut(text, width - 1);
}

/* Does the block stand below an empty line? One line alone stays where it is, unless whoever reads
 * that program's output may write here, too. */
static int stands_below(const struct ptd_post *all, int n)
{
    int here = 0, read = 0;
    for (int i = 0; i < n; i++) {
        if (all[i].tty != ptd_board_own()->tty) continue;
        here++;
        read |= all[i].out != 0;
    }
    return here > 1 || read;
}

/* From the cursor on, which goes back to where it was. */
static void paint(const struct ptd_post *all, int n)
{
    const struct ptd_post *own = ptd_board_own();
    struct screen s = screen_of();
    int rows = 0, below = stands_below(all, n);
    char *block = ptd_strdup(WIPE);
    for (int i = 0; i < n && rows < s.height - 1; i++) {
        if (all[i].tty != own->tty) continue;
        char *row = row_of(&all[i], all, n, s.width),
             *more = ptd_format("%s%s%s", block, below || rows ? "\r\n" : "", row);
        free(row);
        free(block);
        block = more;
        rows++;
    }
    char up[16] = "";
    if (below) snprintf(up, sizeof up, "\033[%dA\r", rows);
    char *whole = ptd_format("%s%s", block, up);
    put(whole, strlen(whole));
    free(whole);
    free(block);
    shown = 1;
}

/* Who waits ticks often, and who does not draw looks whether another did. */
static void draw_if_due(double now)
{
    static double looked;
    const struct ptd_post *own = ptd_board_own();
    if (now - looked < REDRAW / 2) return;
    looked = now;
    int n = ptd_board_list(list);
    for (int i = 0; i < n; i++)
        if (list[i].tty == own->tty && now - list[i].painted < REDRAW) return;
    tidy_ends();
    ptd_board_painted(now);
    paint(list, n);
}

void ptd_progress_tick(void)
{
    const struct ptd_post *own = ptd_board_own();
    double now = ptd_now();
    if (!is_drawn() || now - own->painted < REDRAW || now - own->begun < REDRAW) return;
    if (pthread_mutex_trylock(&listing)) return;
    draw_if_due(now);
    pthread_mutex_unlock(&listing);
}

int ptd_progress_patience(void)
{
    return is_drawn() ? PATIENCE : -1;
}

/* ---- counting ---- */

void ptd_progress_join(void)
{
    ptd_board_join();
    ptd_before_message(wipe);
}

void ptd_progress_start(struct ptd_progress *p, const char *what, long first, long total)
{
    ptd_progress_join();
    memset(p, 0, sizeof *p);
    p->what = what;
    p->done = p->first = first;
    p->total = total;
    p->started = p->drawn = ptd_now();
    p->on = pick_mode();
    ptd_board_progress(what, first, first, total, NULL);
}

void ptd_progress_set(struct ptd_progress *p, long done, const char *note)
{
    char text[512];
    double now = ptd_now();
    p->done = done;
    ptd_board_progress(p->what, p->first, done, p->total, note);
    if (p->on == TERMINAL) ptd_progress_tick();
    if (p->on != PLAIN || now - p->drawn < PLAIN_EVERY) return;
    p->drawn = now;
    compose(p, now, note, text, sizeof text);
    ptd_info("%s", text);
}

void ptd_progress_clear(struct ptd_progress *p)
{
    (void)p;
    wipe();
}
