/* err: what went wrong, in one line, and the exit status that says so.
 *
 * Library functions that can fail return 0 or -1 (or NULL) after ptd_fail() kept status and
 * message; a program then
 * calls ptd_die_last(), or adds its own context with ptd_die(). Only memory exhaustion dies inside
 * the library (71).
 *
 *     if (ptd_store_open(&s, path, 0) < 0) ptd_die_last();
 *
 * A message is one line of at most 512 bytes: where, what, what was expected; control characters
 * and bytes that are no UTF-8 are escaped (printable.h), and a text that is too long loses its
 * middle. */
#ifndef PTD_ERR_H
#define PTD_ERR_H
#include <stddef.h>

/* Exit statuses of every program (names follow sysexits where one fits). */
enum ptd_status {
    PTD_OK = 0,
    PTD_VERDICT = 1,      /* a negative verdict: ptd-dump --check, ptd-hint --audit, ptd-doctor */
    PTD_USAGE = 2,        /* misuse on the command line */
    PTD_DATAERR = 65,     /* input data malformed, damaged or over a limit */
    PTD_NOINPUT = 66,     /* an input is missing or unreadable */
    PTD_UNAVAILABLE = 69, /* something needed is not there (device, checker) */
    PTD_BUG = 70,         /* an assertion of ours failed */
    PTD_OSERR = 71,       /* out of memory or another system resource */
    PTD_CANTCREAT = 73,   /* an output cannot be created */
    PTD_IOERR = 74,       /* read or write error, disk full, map full */
    PTD_STOPPED = 75,     /* stopped on request after publishing; run again to continue */
    PTD_CUT = 76,         /* stream ended without its end frame, or frames out of order */
    PTD_NOPERM = 77,      /* permission, ownership, second writer */
    PTD_CONFIG = 78,      /* configuration refused, or resume would not be exact */
    PTD_DIVERGED = 79,    /* training diverged (non-finite limit) */
};

/* Names the program for messages ("ptd-verify"). Also ignores SIGXFSZ, so that a file-size limit is
 * an error, keeps closed standard descriptors from being given to other files, and has Jansson
 * allocate as everybody here does: it answers a failed request with texts that lack a letter. */
void ptd_program(const char *name);
const char *ptd_program_name(void);

/* Keep status and message for the caller; returns -1, so `return ptd_fail(...)` reads well. A
 * format that ends in ':' gets strerror(errno) appended after a space; where that is for want of
 * memory or descriptors the status is PTD_OSERR, for want of permission PTD_NOPERM, for want of
 * room on the disk PTD_IOERR. */
int ptd_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ptd_failed_status(void);          /* of the last ptd_fail on this thread; 0 if none */
const char *ptd_failed_message(void); /* valid until the next ptd_fail on this thread */

/* Status PTD_OSERR ends by quick_exit: what must be done at the end goes to at_quick_exit too;
 * buffered output is not written. */
_Noreturn void ptd_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void ptd_die_last(void); /* dies of the last ptd_fail */
/* Without a word: another process of this job has said why. */
_Noreturn void ptd_leave(int status);
void ptd_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A closing or progress line; silent after ptd_quiet(1). */
void ptd_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What ends a noun behind n: "%ld step%s". */
const char *ptd_plural(long long n);
/* A line that was asked for, after ptd_quiet(1) too. */
void ptd_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ptd_quiet(int on);
int ptd_is_quiet(void);
/* Called before any line is written to stderr, so that a progress line can be wiped first; NULL:
 * nothing. */
void ptd_before_message(void (*f)(void));

/* What ptd-run, which has the lines of a rank's programs pass through it, puts into their
 * environment: PTD_RANKED, "rank 1 on node7", which every line then names behind the program. The
 * line that a program ends with begins with PTD_LAST_WORDS, its status in decimal and a space, and
 * ptd_leave says PTD_LAST_WORDS alone. */
#define PTD_RANKED     "PTD_RANKED"
#define PTD_LAST_WORDS '\036'

/* Memory that is there or ends the program with status 71. Sizes are checked for overflow by
 * ptd_array. */
void *ptd_alloc(size_t n);              /* zeroed; free() releases it */
void *ptd_array(size_t n, size_t size); /* zeroed n * size */
void *ptd_realloc(void *p, size_t n);
/* not zeroed: for libraries that let others allocate; free() releases it */
void *ptd_malloc(size_t n);
char *ptd_strdup(const char *s);
char *ptd_format(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* malloc'd text */

_Noreturn void ptd_die_of_pipe(void); /* silently, status 141 */

#define PTD_MUST_CHECK __attribute__((warn_unused_result))
#endif
