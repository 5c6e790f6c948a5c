/* store_guard: LMDB trusts its file. A fault or a failed assertion that damaged pages lead to
 * becomes one line and status 65. What a program does wrong itself still kills it. */
#include "store/store_private.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

/* The store whose mapped file this address lies in, or NULL. Asks the system without taking memory:
 * a fault may come while a thread holds the heap. */
static struct ptd_store *store_at(const void *at)
{
    static char maps[1 << 16];
    struct ptd_store *s = NULL;
    size_t n = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0; n += got > 0 ? (size_t)got : 0)
        got = read(fd, maps + n, sizeof maps - 1 - n);
    for (char *save, *line = strtok_r(maps, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned long from, to, inode = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) != 3 ||
            (uintptr_t)at < from || (uintptr_t)at >= to)
            continue;
        for (s = ptd_store_all; s && s->ino != inode; s = s->next) continue;
        return s || !strstr(line, "/data.mdb") ? s : ptd_store_used;
    }
    return NULL;
}

static void *place_of(const ucontext_t *c)
{
#if defined(__x86_64__)
    return (void *)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)c->uc_mcontext.pc;
#else
    return (void)c, NULL;
#endif
}

static int in_lmdb(void *code)
{
    Dl_info here, lmdb;
    return code && dladdr(code, &here) && dladdr((void *)mdb_env_open, &lmdb) &&
           here.dli_fbase == lmdb.dli_fbase;
}

void (*ptd_store_on_damage)(const char *words);

static _Noreturn void leave(struct ptd_store *s, const char *what)
{
    char words[512], line[600];
    int stale = ptd_store_is_stale(s), status = stale ? PTD_NOPERM : PTD_DATAERR;
    if (stale)
        snprintf(words, sizeof words, "store %.200s: %s", s->dir, ptd_store_stale);
    else
        snprintf(words, sizeof words, "store %.200s: %s is damaged: %.100s%s", s->dir, s->file,
                 what, ptd_store_doubt(s));
    if (ptd_store_on_damage && !stale) ptd_store_on_damage(words);
    int n = snprintf(line, sizeof line, "%.60s: %s\n", ptd_program_name(), words);
    if (write(2, line, (size_t)n) < 0) _exit(status);
    quick_exit(status); /* what is half made goes */
}

/* A page of base.mdb that is asked for is there, unless the disk fails or the file is cut. */
static const char *words_for(const struct ptd_store *s, int number)
{
    if (number == SIGFPE) return "a page of no size";
    if (number == SIGBUS && !strcmp(s->file, PTD_BASE)) return "a page cannot be read";
    return "a page leads outside of it";
}

/* The handler is gone when it runs, so that a fault which is not the file's comes again and kills.
 */
static void on_fault(int number, siginfo_t *info, void *context)
{
    struct ptd_store *s = ptd_store_all ? store_at(info->si_addr) : NULL;
    if (!s && ptd_store_used && (ptd_store_used->changing || in_lmdb(place_of(context))))
        s = ptd_store_used;
    if (s) leave(s, words_for(s, number));
}

static void on_assert(MDB_env *env, const char *message)
{
    leave(mdb_env_get_userctx(env), message);
}

void ptd_store_guard(struct ptd_store *s)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE};
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESETHAND};
    ptd_store_used = s;
    for (int i = 0; i < 3; i++) sigaction(faults[i], &a, NULL);
    mdb_env_set_userctx(s->env, s);
    mdb_env_set_assert(s->env, on_assert);
}
