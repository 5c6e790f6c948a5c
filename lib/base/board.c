/* board: see board.h. A page is a count, odd while it is written, and a post. Locks are of open
 * file descriptions, so that each program's end frees its own. */
#include "base/board.h"
#include "base/err.h"
#include "base/progress.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct page {
    _Atomic uint32_t turn;
    uint32_t version;
    struct ptd_post post;
    char rest[1024 - 8 - sizeof(struct ptd_post)];
};
_Static_assert(sizeof(struct page) == 1024, "a page is a kilobyte");
#define VERSION 1
#define BYTES   (PTD_POSTS * sizeof(struct page))

static struct page alone; /* where there is no board */
static struct page *board, *own;
static int fd = -1, mine = -1;
static struct ptd_post post; /* what own is to say */

/* ---- the file ---- */

static int is_own_file(int at)
{
    struct stat st;
    return fstat(at, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 077) && st.st_nlink == 1;
}

static int open_file(int flags)
{
    const char *base = getenv("PTD_SHM");
    char path[256];
    snprintf(path, sizeof path, "%.180s/ptd-board-%u", base ? base : "/dev/shm",
             (unsigned)geteuid());
    int at = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (at < 0 || is_own_file(at)) return at;
    close(at);
    return -1;
}

/* Maps it; flags O_CREAT: makes it. Pages that are there cannot fault for want of room. */
static int open_board(int flags)
{
    if (board) return 0;
    if ((fd = open_file(flags)) < 0) return -1;
    int short_of = flags ? posix_fallocate(fd, 0, BYTES) : 0;
    struct stat st;
    if (!short_of && fstat(fd, &st) == 0 && (size_t)st.st_size >= BYTES) {
        void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) board = at;
    }
    if (board) return 0;
    close(fd);
    fd = -1;
    return -1;
}

static int lock(int i, int command)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};
    int rc = fcntl(fd, command, &l);
    return command == F_OFD_GETLK ? rc == 0 && l.l_type != F_UNLCK : rc == 0;
}

/* ---- saying ---- */

static void publish(void)
{
    if (!own) return;
    atomic_fetch_add_explicit(&own->turn, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    own->version = VERSION;
    own->post = post;
    atomic_fetch_add_explicit(&own->turn, 1, memory_order_release);
}

static uint64_t terminal_of(int at)
{
    const char *term = getenv("TERM");
    struct stat st;
    if (ptd_is_quiet() || !term || !strcmp(term, "dumb") || !isatty(at) || fstat(at, &st)) return 0;
    return st.st_rdev;
}

static uint64_t pipe_of(int at)
{
    struct stat st;
    return fstat(at, &st) == 0 && S_ISFIFO(st.st_mode) ? st.st_ino : 0;
}

void ptd_board_join(void)
{
    if (own) return;
    own = &alone;
    if (open_board(O_CREAT) == 0)
        for (mine = 0; mine < PTD_POSTS; mine++)
            if (lock(mine, F_OFD_SETLK)) {
                own = &board[mine];
                break;
            }
    post = (struct ptd_post){
        .pid = getpid(), .tty = terminal_of(2), .in = pipe_of(0), .out = pipe_of(1)};
    post.begun = post.since = ptd_now();
    snprintf(post.name, sizeof post.name, "%s", ptd_program_name());
    if (atomic_load(&own->turn) & 1) atomic_fetch_add(&own->turn, 1); /* of one that was killed */
    publish();
}

void ptd_board_store(const char *dir)
{
    struct stat st;
    if (!own || !dir || stat(dir, &st)) return;
    post.dev = st.st_dev, post.ino = st.st_ino;
    publish();
}

void ptd_board_doing(enum ptd_doing doing)
{
    int waiting = 0;
    if (!own || (int)doing == post.doing) return;
    double now = ptd_now();
    post.spent[post.doing] += now - post.since;
    post.doing = (int32_t)doing;
    post.since = now;
    if (post.in && ioctl(0, FIONREAD, &waiting) == 0) post.queued = waiting;
    publish();
}

void ptd_board_count(int64_t groups, int64_t tokens)
{
    if (!own) return;
    post.groups += groups;
    post.tokens += tokens;
    publish();
}

void ptd_board_step(int64_t step)
{
    static double before;
    if (!own) return;
    double now = ptd_now(),
           worked = post.spent[PTD_WORKS] + (post.doing == PTD_WORKS ? now - post.since : 0);
    post.step = step;
    post.step_work = worked - before;
    before = worked;
    publish();
}

void ptd_board_progress(const char *what, int64_t first, int64_t done, int64_t total,
                        const char *note)
{
    if (!own) return;
    snprintf(post.what, sizeof post.what, "%s", what ? what : "");
    snprintf(post.note, sizeof post.note, "%s", note ? note : "");
    post.first = first, post.done = done, post.total = total;
    publish();
}

void ptd_board_said(const char *text)
{
    if (!own) return;
    snprintf(post.said, sizeof post.said, "%s", text);
    publish();
}

void ptd_board_painted(double now)
{
    post.painted = now;
    publish();
}

const struct ptd_post *ptd_board_own(void)
{
    return own ? &post : NULL;
}

/* ---- reading ---- */

/* A page as it was at one moment; 0: it changes all the time. */
static int read_page(struct page *p, struct ptd_post *out)
{
    for (int tries = 0; tries < 100; tries++) {
        uint32_t turn = atomic_load_explicit(&p->turn, memory_order_acquire);
        if (turn & 1) continue;
        uint32_t version = p->version;
        memcpy(out, &p->post, sizeof *out);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&p->turn, memory_order_relaxed) == turn) return version == VERSION;
    }
    return 0;
}

/* Another program wrote it, perhaps of another version. */
static void tidy(struct ptd_post *p)
{
    p->name[sizeof p->name - 1] = p->what[sizeof p->what - 1] = p->note[sizeof p->note - 1] =
        p->said[sizeof p->said - 1] = 0;
    if (p->doing < 0 || p->doing >= PTD_DOINGS) p->doing = PTD_WORKS;
}

/* Puts list[n - 1] in its place. Asks for no memory, since messages about its want come here. */
static void settle(struct ptd_post *list, int n)
{
    struct ptd_post p = list[--n];
    for (; n > 0 && list[n - 1].pid > p.pid; n--) list[n] = list[n - 1];
    list[n] = p;
}

int ptd_board_list(struct ptd_post list[PTD_POSTS])
{
    int n = 0;
    if (own == &alone) list[n++] = post;
    if (!board && open_board(0)) return n;
    for (int i = 0; i < PTD_POSTS; i++) {
        if (own == &board[i])
            list[n++] = post;
        else if (board[i].version == VERSION && lock(i, F_OFD_GETLK) &&
                 read_page(&board[i], &list[n])) /* one that was never used asks for no lock */
            tidy(&list[n++]);
        else
            continue;
        settle(list, n);
    }
    return n;
}
