/* Messages of one escaped line, the kept failure of a thread, and allocation that dies.
 * Leaves to callers: which status a failure deserves, and when to die of it. */
#include "base/err.h"
#include "base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512

static char program[64];
static int quiet;
static void (*before_message)(void);
static __thread int last_status;
static __thread char last_message[LINE_MAX_BYTES];

static size_t shown_length(const char *s)
{
    char piece[PTD_ESCAPED];
    size_t n = 0;
    for (int len; *s; n += (size_t)len) s += ptd_escape(s, piece, &len);
    return n;
}

/* Copies what fits of *s, which moves on; returns the bytes written. */
static size_t show(char *out, size_t room, const char **s)
{
    char piece[PTD_ESCAPED];
    size_t n = 0;
    for (int len, took; **s; *s += took, n += (size_t)len) {
        took = ptd_escape(*s, piece, &len);
        if (n + (size_t)len > room) break;
        memcpy(out + n, piece, (size_t)len);
    }
    return n;
}

/* Copies text into out[cap] with controls escaped. Too long text loses its middle, between
 * characters: it begins with where and ends with why. */
static void escape(char *out, size_t cap, const char *text)
{
    size_t left = shown_length(text), n;
    char piece[PTD_ESCAPED];
    n = show(out, left < cap ? cap - 1 : cap / 2, &text);
    left -= n;
    if (*text) memcpy(out + n, "...", 3), n += 3;
    for (int len; left > cap - 1 - n; left -= (size_t)len) text += ptd_escape(text, piece, &len);
    n += show(out + n, cap - 1 - n, &text);
    out[n] = 0;
}

/* The first and the last bytes of a text that is too long even for that. */
static void shorten(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text), half = cap / 2;
    const char *tail = text + n - (cap - half - 1);
    while ((*tail & 0xc0) == 0x80) tail++;
    while (half && (text[half] & 0xc0) == 0x80) half--;
    memcpy(out, text, half);
    strcpy(out + half, tail);
}

static void format_message(char out[LINE_MAX_BYTES], const char *fmt, va_list ap)
{
    int reason = errno;
    char text[2 * LINE_MAX_BYTES], *whole = NULL;
    size_t len = strlen(fmt), room = sizeof text - 100; /* for the reason */
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(text, room, fmt, ap);
    if (n < 0) snprintf(text, room, "(a message that cannot be formatted)");
    if (n >= (int)room && vasprintf(&whole, fmt, again) > 0)
        shorten(text, room, whole), free(whole);
    va_end(again);
    n = (int)strlen(text);
    if (len && fmt[len - 1] == ':')
        snprintf(text + n, sizeof text - (size_t)n, " %s", strerror(reason));
    escape(out, LINE_MAX_BYTES, text);
    errno = reason;
}

/* "rank 1 on node7", where ptd-run says so; NULL elsewhere. */
static const char *ranked(void)
{
    const char *rank = getenv(PTD_RANKED);
    return rank && *rank && strlen(rank) < 120 ? rank : NULL;
}

static void put_line(const char *line, int n)
{
    for (ssize_t done = 0, got; done < n; done += got) {
        got = write(2, line + done, (size_t)(n - done));
        if (got < 0 && errno != EINTR) return;
        if (got < 0) got = 0;
    }
}

/* last: the status that the program ends with after this line; 0: it goes on. */
static void say(const char *tag, const char *message, int last)
{
    char line[LINE_MAX_BYTES + 160], text[LINE_MAX_BYTES], mark[16] = "";
    const char *program_name = ptd_program_name(), *rank = ranked();
    size_t room = LINE_MAX_BYTES - strlen(program_name) - strlen(tag) - 2;
    escape(text, room, message);
    if (rank && last) snprintf(mark, sizeof mark, "%c%d ", PTD_LAST_WORDS, last);
    int n = snprintf(line, sizeof line, "%s%s%s%s%s: %s%s\n", mark, program_name, rank ? " (" : "",
                     rank ? rank : "", rank ? ")" : "", tag, text);
    if (before_message) before_message();
    put_line(line, n);
}

/* A closed standard descriptor would be given to the next file opened: put something there that
 * fails when used. */
static void occupy_standard(int fd)
{
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
        open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
        errno = 0;
}

void ptd_program(const char *name)
{
    snprintf(program, sizeof program, "%s", name);
    json_set_alloc_funcs(ptd_malloc, free);
    for (int fd = 0; fd < 3; fd++) occupy_standard(fd);
    signal(SIGXFSZ, SIG_IGN);
}

const char *ptd_program_name(void)
{
    return *program ? program : program_invocation_short_name;
}

/* Where the reason is that something may not be done, or that memory, descriptors or room on the
 * disk are used up, the status says so, whatever it is at this place otherwise. */
static int status_of(int status, const char *fmt)
{
    size_t len = strlen(fmt);
    int reason = len && fmt[len - 1] == ':' ? errno : 0;
    if (reason == EACCES || reason == EPERM) return PTD_NOPERM;
    if (reason == ENOMEM || reason == EMFILE || reason == ENFILE) return PTD_OSERR;
    return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? PTD_IOERR : status;
}

int ptd_fail(int status, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES]; /* arguments may point into last_message */
    va_list ap;
    va_start(ap, fmt);
    format_message(text, fmt, ap);
    va_end(ap);
    last_status = status_of(status, fmt);
    memcpy(last_message, text, sizeof text);
    return -1;
}

int ptd_failed_status(void)
{
    return last_status;
}

const char *ptd_failed_message(void)
{
    return last_message;
}

/* exit would wait for OpenBLAS's threads, which ask for memory until they get it. */
static _Noreturn void leave(int status)
{
    if (status == PTD_OSERR) quick_exit(status);
    exit(status);
}

/* Threads may fail at the same moment: the first one speaks for the program, and the others wait
 * for its end. */
static void speak_for_all(void)
{
    static _Atomic pid_t speaker;
    pid_t nobody = 0, me = gettid();
    if (!atomic_compare_exchange_strong(&speaker, &nobody, me) && nobody != me)
        for (;;) pause();
}

void ptd_die(int status, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    speak_for_all();
    status = status_of(status, fmt);
    va_start(ap, fmt);
    format_message(text, fmt, ap);
    va_end(ap);
    say("", text, status);
    leave(status);
}

void ptd_die_last(void)
{
    if (!last_status) ptd_die(PTD_BUG, "failed without a reason; please report this as a bug");
    speak_for_all();
    say("", last_message, last_status);
    leave(last_status);
}

void ptd_leave(int status)
{
    const char mark[] = {PTD_LAST_WORDS, '\n'};
    speak_for_all();
    if (ranked()) put_line(mark, sizeof mark);
    leave(status);
}

void ptd_warn(const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    va_start(ap, fmt);
    format_message(text, fmt, ap);
    va_end(ap);
    say("warning: ", text, 0);
}

const char *ptd_plural(long long n)
{
    return n == 1 ? "" : "s";
}

void ptd_info(const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    if (quiet) return;
    va_start(ap, fmt);
    format_message(text, fmt, ap);
    va_end(ap);
    say("", text, 0);
}

void ptd_tell(const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    va_start(ap, fmt);
    format_message(text, fmt, ap);
    va_end(ap);
    say("", text, 0);
}

void ptd_quiet(int on)
{
    quiet = on;
}

int ptd_is_quiet(void)
{
    return quiet;
}

void ptd_before_message(void (*f)(void))
{
    before_message = f;
}

void ptd_die_of_pipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE);
}

static _Noreturn void out_of_memory(size_t n)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        ptd_die(PTD_OSERR, "out of memory asking for %zu bytes (ulimit -v is %llu KiB)", n,
                (unsigned long long)limit.rlim_cur / 1024);
    ptd_die(PTD_OSERR, "out of memory asking for %zu bytes", n);
}

static void *checked(void *p, size_t n)
{
    if (!p) out_of_memory(n);
    return p;
}

void *ptd_alloc(size_t n)
{
    return checked(calloc(1, n ? n : 1), n);
}

void *ptd_malloc(size_t n)
{
    return checked(malloc(n ? n : 1), n);
}

void *ptd_array(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        ptd_die(PTD_OSERR, "out of memory asking for %zu items of %zu bytes", n, size);
    return ptd_alloc(bytes);
}

void *ptd_realloc(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1), n);
}

char *ptd_strdup(const char *s)
{
    return checked(strdup(s), strlen(s) + 1);
}

char *ptd_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : text, (size_t)(n < 0 ? 0 : n));
}
