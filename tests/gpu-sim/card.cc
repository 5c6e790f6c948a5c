/* card: see card.h. */
#include "card.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_PROGRAMS 64

struct program {
    int64_t pid; /* 0: nobody's place */
    size_t bytes;
};
struct ledger {
    size_t peak;
    program programs[MOST_PROGRAMS];
};
static ledger own, *all = &own;
static int file = -1;

size_t card_all()
{
    const char *set = getenv("PTD_SIM_MEMORY");
    return set && *set ? strtoull(set, NULL, 10) : (size_t)1 << 36;
}

static void open_file()
{
    static const char *name = getenv("PTD_SIM_CARD");
    if (file >= 0 || !name || !*name) return;
    file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *p = file < 0 || ftruncate(file, sizeof *all)
                  ? MAP_FAILED
                  : mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (p == MAP_FAILED) abort();
    all = (ledger *)p;
}

/* Its description is its own process's, since locks go with descriptions. */
static void lock()
{
    open_file();
    while (file >= 0 && flock(file, LOCK_EX) && errno == EINTR) continue;
}
static void unlock()
{
    if (file >= 0) flock(file, LOCK_UN);
}

static bool is_gone(const program &p)
{
    return p.pid && p.pid != getpid() && kill((pid_t)p.pid, 0) && errno == ESRCH;
}

static size_t taken()
{
    size_t sum = 0;
    for (program &p : all->programs) {
        if (is_gone(p)) p = {0, 0};
        sum += p.bytes;
    }
    return sum;
}

/* Ours; a forked process has a place of its own. */
static program &place()
{
    program *free = NULL;
    for (program &p : all->programs) {
        if (p.pid == getpid()) return p;
        if (!p.pid && !free) free = &p;
    }
    if (!free) abort();
    *free = {getpid(), 0};
    return *free;
}

bool card_take(size_t bytes)
{
    lock();
    size_t sum = taken();
    bool fits = sum <= card_all() && bytes <= card_all() - sum;
    if (fits) place().bytes += bytes;
    if (fits && sum + bytes > all->peak) all->peak = sum + bytes;
    unlock();
    return fits;
}

void card_give(size_t bytes)
{
    lock();
    program &p = place();
    p.bytes -= bytes < p.bytes ? bytes : p.bytes;
    unlock();
}

size_t card_free()
{
    lock();
    size_t sum = taken();
    unlock();
    return sum < card_all() ? card_all() - sum : 0;
}
