/* opt: one table of options per program drives parsing, --help with the real defaults, and the
 * range checks.
 *
 *     static struct { int k; double tau; const char *store; } opt = {.k = 16, .tau = 1.0};
 *     static const struct ptd_opt options[] = {
 *         {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory (default: from the
 *             stream)", 0, 0},
 *         {"top-k", 'k', PTD_OPT_INT, &opt.k, "N", "support of the teacher's distribution", 1,
 *             4096},
 *         {0}};
 *     static const struct ptd_usage usage = {"ptd-ref", "[FILE]", "score rollouts with the frozen
 *         reference",
 *         "ptd-ref < hinted.rec > scored.rec", options};
 *     int first = ptd_opt_parse(&usage, argc, argv); */
#ifndef PTD_OPT_H
#define PTD_OPT_H
#include <stdint.h>
#include <stddef.h>

#define PTD_VERSION "0.2.0"
#define PTD_DATE    "November 30, 2026" /* of this version, for the manual */

enum ptd_opt_kind {
    PTD_OPT_FLAG = 1,
    PTD_OPT_INT,
    PTD_OPT_LONG,
    PTD_OPT_DOUBLE,
    PTD_OPT_STR,
    PTD_OPT_LIST,
    PTD_OPT_PRESET
};

/* What an option that may be given several times was given, in order; empty at first. */
struct ptd_opt_list {
    const char **at;
    int n;
};

struct ptd_opt {
    const char *name; /* long name; NULL ends the table */
    char letter;      /* short name or 0 */
    /* FLAG: int set to 1 (--no-NAME sets 0); INT: int; LONG: int64_t; DOUBLE: double; STR: const
     * char *; LIST: struct ptd_opt_list, which each use adds to; PRESET: const char *, a name that
     * stands for values of others (usage's `preset`), of one option at most */
    int kind;
    void *value;     /* holds the default, gets the value; strings point into argv */
    const char *arg; /* argument's name in the help, NULL for flags */
    const char *help;
    /* inclusive range of numbers; both 0: any. Numbers take k M G T and Ki Mi Gi Ti. */
    double lo, hi;
    int idle; /* 1: decides no number of the output, so that a resumed run may differ in it */
};

/* Exit statuses of a program that reads a stream and writes one. */
#define PTD_STATUSES                                                                               \
    "0 done, 2 misuse, 65 bad data, 66 no input, 71 no memory, 74 i/o, 76 cut, 77 no permission, " \
    "78 config"

struct ptd_usage {
    const char *name;     /* program */
    const char *operands; /* "[FILE]" */
    const char *summary;  /* one sentence, lower case, no full stop */
    const char *examples; /* one per line, or NULL */
    const struct ptd_opt *options;
    const char *statuses; /* what --help says of exit statuses; NULL: PTD_STATUSES */
    /* The text that a preset gives to an option, no flag and no list; NULL: it leaves it alone.
     * option NULL: NULL if there is no such preset, with what ptd_fail says. What is given on the
     * command line wins, wherever it stands; what was set is told on stderr. */
    const char *(*preset)(const char *name, const char *option);
};

/* Sets the program's name, parses, answers --help and --version (status 0), and ends with status 2
 * on misuse.
 * -q/--quiet is understood by every program. Returns the index of the first operand in argv
 * (options are permuted to the front). */
int ptd_opt_parse(const struct ptd_usage *u, int argc, char **argv);
/* One line of misuse with a pointer to --help; status 2. */
_Noreturn void ptd_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* 1: the command line parsed last itself gave the option of this long name, no file and no preset.
 */
int ptd_opt_given(const char *name);
/* Misuse (2), ends the program: it did, and the option is not used, since that takes `needs`. */
void ptd_opt_needs(const char *name, int used, const char *needs);
/* What the command line parsed last decides: the program and, in the table's order, the options
 * that are not idle and differ from their defaults, with their values: "ptd-ref --top-k 8". NULL
 * before; valid until the next parsing. */
const char *ptd_opt_decided(void);
#endif
