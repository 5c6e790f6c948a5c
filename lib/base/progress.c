/* One line of progress on stderr, with rate and time left.
 * Leaves to callers: what is counted and when to report it. */
#include "base/progress.h"
#include "base/err.h"
#include "base/printable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { OFF, TERMINAL, PLAIN };
#define REDRAW      0.1
#define PLAIN_EVERY 30.0

static int line_shown;

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

static void wipe(void)
{
    if (line_shown) put("\r\033[K", 4);
    line_shown = 0;
}

static int pick_mode(void)
{
    const char *term = getenv("TERM");
    if (ptd_is_quiet()) return OFF;
    return isatty(2) && term && strcmp(term, "dumb") != 0 ? TERMINAL : PLAIN;
}

void ptd_progress_start(struct ptd_progress *p, const char *what, long first, long total)
{
    memset(p, 0, sizeof *p);
    p->what = what;
    p->done = p->first = first;
    p->total = total;
    p->started = p->drawn = ptd_now();
    p->on = pick_mode();
    ptd_before_message(wipe);
}

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

static size_t terminal_width(void)
{
    struct winsize w;
    return ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 10 ? w.ws_col : 80;
}

static void draw(const char *text)
{
    char *whole = ptd_format("%s: %s", ptd_program_name(), text);
    char *line = ptd_printable_cut(whole, (int)terminal_width() - 1),
         *drawn = ptd_format("\r%s\033[K", line);
    put(drawn, strlen(drawn));
    line_shown = 1;
    free(drawn);
    free(line);
    free(whole);
}

void ptd_progress_set(struct ptd_progress *p, long done, const char *note)
{
    char text[512];
    double now = ptd_now();
    p->done = done;
    if (p->on == OFF || now - p->drawn < (p->on == TERMINAL ? REDRAW : PLAIN_EVERY)) return;
    p->drawn = now;
    compose(p, now, note, text, sizeof text);
    if (p->on == TERMINAL)
        draw(text);
    else
        ptd_info("%s", text);
}

void ptd_progress_words(const struct ptd_progress *p, const char *note, char *out, size_t cap)
{
    compose(p, ptd_now(), note, out, cap);
}

void ptd_progress_clear(struct ptd_progress *p)
{
    (void)p;
    wipe();
}
