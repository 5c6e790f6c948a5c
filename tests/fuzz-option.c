/* Fuzzing entry: any bytes as the words of a command line, one a line. What is accepted is in range
 * and reads back from its own text; what is refused is refused in one line, with status 2, or that
 * of a file of options. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "base/err.h"
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The parser ends the program: here it comes back, and what it says is looked at. */
static jmp_buf back;
static int lines;

static _Noreturn void come_back(int status)
{
    longjmp(back, status + 1);
}

static ssize_t hear(int fd, const char *text, size_t n)
{
    if (fd != 2 || n > 512 || memchr(text, '\n', n) != text + n - 1) abort();
    for (size_t i = 0; i + 1 < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127) abort();
    lines++;
    return (ssize_t)n;
}

/* Leaving from its middle would lose what it had taken. */
static void *kept[4096];
static int n_kept;

static void *keep(void *p)
{
    if (n_kept == 4096) abort();
    return kept[n_kept++] = p;
}

static void *forget(void *p)
{
    for (int i = n_kept; i-- > 0;)
        if (kept[i] == p) kept[i] = NULL;
    return p;
}

static void free_kept(void)
{
    while (n_kept > 0) free(kept[--n_kept]);
}

#define exit                     come_back
#define quick_exit               come_back
#define write                    hear
#define calloc(n, size)          keep(calloc(n, size))
#define realloc(p, n)            keep(realloc(forget(p), n))
#define strdup(s)                keep(strdup(s))
#define vasprintf(p, format, ap) (vasprintf(p, format, ap) < 0 ? -1 : (keep(*(p)), 0))
#define free(p)                  free(forget(p))
#include "../lib/base/err.c"
#include "../lib/base/opt_file.c"
#include "../lib/base/opt.c"
#undef exit
#undef quick_exit
#undef write
#undef calloc
#undef realloc
#undef strdup
#undef vasprintf
#undef free

enum { WORDS = 64 };

static struct {
    int k, flag, on;
    double tau;
    const char *store;
    int64_t n;
} opt;
static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory", 0, 0},
    {"top-k", 'k', PTD_OPT_INT, &opt.k, "N", "support", 1, 4096},
    {"tau", 0, PTD_OPT_DOUBLE, &opt.tau, "X", "threshold", 0, 1},
    {"number", 'n', PTD_OPT_LONG, &opt.n, "N", "any number", 0, 0},
    {"flag", 'f', PTD_OPT_FLAG, &opt.flag, NULL, "a flag", 0, 0},
    {"on", 0, PTD_OPT_FLAG, &opt.on, NULL, "a flag that is on", 0, 0},
    {0}};
static const struct ptd_usage usage = {"ptd-fuzz", "[FILE]", "parse options",
                                       "ptd-fuzz a\nptd-fuzz b", options};

/* The status, or -1 with the first operand in *first. */
static int parse(int argc, char **argv, int *first)
{
    int left = setjmp(back);
    if (left) return left - 1;
    opt = (typeof(opt)){.k = 16, .on = 1, .tau = 0.5, .n = 5};
    *first = ptd_opt_parse(&usage, argc, argv);
    return -1;
}

static int split(char *text, char **words)
{
    int n = 0;
    for (char *save, *w = strtok_r(text, "\n", &save); w && n < WORDS;
         w = strtok_r(NULL, "\n", &save))
        words[n++] = w;
    return n;
}

/* What was decided, taken as a command line without quotes, decides the same. */
static void read_back(void)
{
    char *once = strdup(ptd_opt_decided()), *text = strdup(once), *argv[WORDS + 1] = {0};
    int first, n;
    for (char *s = text; *s; s++)
        if (*s == ' ') *s = '\n';
    n = split(text, argv);
    if (!strchr(once, '\'') &&
        (parse(n, argv, &first) != -1 || strcmp(once, ptd_opt_decided()) != 0))
        abort();
    free(text);
    free(once);
}

static void try(char *text)
{
    char *argv[WORDS + 2] = {"ptd-fuzz"};
    int n = 1 + split(text, argv + 1), first = 0, status;
    lines = 0;
    status = parse(n, argv, &first);
    int refused = status == PTD_USAGE || status == PTD_NOINPUT || status == PTD_DATAERR;
    if (lines != refused || (status != -1 && status != PTD_OK && !refused)) abort();
    if (status != -1) return;
    if (first < 1 || first > n || opt.k < 1 || opt.k > 4096 || !(opt.tau >= 0 && opt.tau <= 1) ||
        opt.flag >> 1 || opt.on >> 1)
        abort();
    read_back();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = calloc(n + 1, 1);
    static FILE *pages; /* nobody reads what --help prints */
    ptd_program("ptd-fuzz");
    ptd_stdout_open();
    if (!pages && !(stdout = pages = fopen("/dev/null", "w"))) abort();
    memcpy(text, data, n);
    try(text);
    free_kept();
    decided = given = NULL;
    free(text);
    return 0;
}
