/* ptd-watch: a run as it goes: curves, who works and who waits for whom, memory, time left, the
 * last answers; in a terminal, or as a page for a browser on this machine.
 *
 *     ptd-watch run.ptd metrics.jsonl
 *     ptd-watch --serve 127.0.0.1:8080 run.ptd metrics.jsonl
 *
 * Reads the store, the metrics, which may still grow, and what programs of the same user on this
 * machine say of themselves. It changes nothing, and no program waits for it. */
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "view/serve.h"
#include "view/watch.h"
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define POINTS 400 /* of a curve of the page */

static struct {
    const char *fields, *serve;
    int anyone, once;
    double every;
} opt = {.every = 1};
static const struct ptd_opt options[] = {
    {"fields", 'f', PTD_OPT_STR, &opt.fields, "LIST",
     "metrics to show as curves (default: a choice of those that are there)", 0, 0},
    {"serve", 's', PTD_OPT_STR, &opt.serve, "ADDRESS:PORT",
     "show it as a page there, which can only be read; port 0: any that is free", 0, 0},
    {"anyone", 0, PTD_OPT_FLAG, &opt.anyone, NULL,
     "with --serve: an address that is not of this machine alone; whoever reaches it may read", 0,
     0},
    {"once", 0, PTD_OPT_FLAG, &opt.once, NULL, "print it once, as text, and end", 0, 0},
    {"every", 0, PTD_OPT_DOUBLE, &opt.every, "SECONDS", "look again so often", 0.1, 3600},
    {0}};
static const struct ptd_usage usage = {
    "ptd-watch",
    "RUN.ptd [METRICS.jsonl...]",
    "watch a run in a terminal or a browser",
    "ptd-watch run.ptd metrics.jsonl\n"
    "ptd-watch --serve 127.0.0.1:8080 run.ptd metrics.jsonl\n"
    "ptd-watch --once --fields reward/accuracy,actor/entropy run.ptd metrics.jsonl",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 71 no memory, 74 i/o, 77 no permission, 78 "
    "config"};

extern const char ptd_file_watch_html[], ptd_file_watch_css[], ptd_file_watch_js[];

static struct ptd_watch *watch;
static const volatile int *stop;

static void look(void)
{
    if (ptd_watch_look(watch) < 0) ptd_die_last();
}

static int has_braille(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* ---- text ---- */

static void print_line(void *ctx, const char *line, int strength)
{
    puts(line);
}

static void print_once(void)
{
    struct ptd_watch_form f = {.width = 100, .height = 60, .braille = has_braille()};
    struct winsize w;
    if (isatty(1) && ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 10) f.width = w.ws_col;
    look();
    ptd_watch_text(watch, &f, print_line, NULL);
    ptd_stdout_flush();
}

/* ---- terminal ---- */

static void draw_line(void *ctx, const char *line, int strength)
{
    int *row = ctx;
    attrset(strength == PTD_WATCH_STRONG                  ? A_BOLD
            : strength == PTD_WATCH_CURVE && has_colors() ? COLOR_PAIR(1)
                                                          : A_NORMAL);
    mvaddstr((*row)++, 0, line);
}

static void draw(void)
{
    struct ptd_watch_form f = {.width = COLS, .height = LINES, .braille = has_braille()};
    int row = 0;
    erase();
    ptd_watch_text(watch, &f, draw_line, &row);
    refresh();
}

static void leave_screen(void)
{
    if (!isendwin()) endwin();
}

static void open_screen(void)
{
    /* stdout has been given patience, and has no descriptor that curses would find */
    FILE *out = fdopen(dup(1), "w");
    if (!out) ptd_die(PTD_OSERR, "standard output:");
    if (!newterm(NULL, out, stdin))
        ptd_misuse("the terminal \"%.64s\" is not known; --once prints the same",
                   getenv("TERM") ? getenv("TERM") : "");
    ptd_before_message(leave_screen);
    atexit(leave_screen);
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_CYAN, -1);
    }
    timeout((int)(1000 * opt.every));
}

static void show_terminal(void)
{
    int key = 0;
    if (!isatty(0) || !isatty(1))
        ptd_misuse("standard input and output are no terminal; --once prints the same, --serve "
                   "shows a page");
    open_screen();
    while (!*stop && key != 'q') {
        look();
        draw();
        key = getch();
    }
    leave_screen();
}

/* ---- page ---- */

static char *state(void *ctx)
{
    return ptd_watch_state(watch);
}

static char *series(void *ctx)
{
    return ptd_watch_series(watch, POINTS);
}

static const char json[] = "application/json";
static const struct ptd_page pages[] = {
    {"/", "text/html; charset=utf-8", ptd_file_watch_html, NULL},
    {"/watch.css", "text/css; charset=utf-8", ptd_file_watch_css, NULL},
    {"/watch.js", "text/javascript; charset=utf-8", ptd_file_watch_js, NULL},
    {"/state.json", json, NULL, state},
    {"/series.json", json, NULL, series}};

static void show_page(void)
{
    struct ptd_serve *s =
        ptd_serve_open(opt.serve, opt.anyone, pages, sizeof pages / sizeof *pages, NULL);
    if (!s && ptd_failed_status() == PTD_USAGE) ptd_misuse("%s", ptd_failed_message());
    if (!s) ptd_die_last();
    const char *colon = strrchr(opt.serve, ':');
    int host = colon ? (int)(colon - opt.serve) : 0;
    ptd_info("http://%.*s:%d/", host ? host : 9, host ? opt.serve : "127.0.0.1", ptd_serve_port(s));
    double looked = 0;
    while (!*stop) {
        if (ptd_now() - looked >= opt.every) {
            look();
            looked = ptd_now();
        }
        ptd_serve_wait(s, (int)(1000 * opt.every) < 500 ? (int)(1000 * opt.every) : 500);
    }
    ptd_serve_close(s);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    if (first == argc) ptd_misuse("expected a run's folder");
    if (opt.once && opt.serve) ptd_misuse("--once and --serve: expected one of them");
    ptd_opt_needs("anyone", opt.serve != NULL, "--serve");
    setlocale(LC_CTYPE, "");
    stop = ptd_stop_heed();
    watch = ptd_watch_open(argv[first], argv + first + 1, argc - first - 1, opt.fields);
    if (!watch) ptd_die_last();
    if (opt.once)
        print_once();
    else if (opt.serve)
        show_page();
    else
        show_terminal();
    ptd_watch_close(watch);
    return PTD_OK;
}
