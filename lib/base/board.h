/* board: where the programs of a user say what they are doing, so that those which share a terminal
 * show one block of lines instead of five that write over each other, and ptd-watch sees a run.
 *
 *     ptd_board_join();                  // in what runs for a while; all others do nothing before
 *     ptd_board_store("run.ptd");        // whose run it is
 *     ptd_board_doing(PTD_READS);        // and so on; costs a tenth of a microsecond
 *
 *     struct ptd_post list[PTD_POSTS];
 *     int n = ptd_board_list(list);      // all that run now, by process number
 *
 * It is a file of 64 KiB in memory, /dev/shm/ptd-board-UID (PTD_SHM in the environment in place of
 * /dev/shm), the user's own (0600), not reached through a symbolic link: a page of a kilobyte for
 * each program, which holds a lock on its page while it runs, however it ends. Where there is no
 * such file a program is alone: it shows itself, and nobody sees it. It only ever informs: no
 * program decides anything by it. */
#ifndef PTD_BOARD_H
#define PTD_BOARD_H
#include <stdint.h>

#define PTD_POSTS 64

enum ptd_doing {
    PTD_WORKS,
    PTD_READS,  /* waits for input */
    PTD_WRITES, /* waits for whoever reads its output */
    PTD_WAITS,  /* for weights or verdicts, which come back by the store */
    PTD_DOINGS
};

struct ptd_post {
    int32_t pid, doing; /* doing: enum ptd_doing */
    uint64_t tty;       /* device of the terminal it shows itself on; 0: none */
    uint64_t dev, ino;  /* of the store's folder; 0: none */
    uint64_t in, out;   /* inodes of the pipes at its standard input and output; 0: no pipe */
    /* by ptd_now: when it joined, when it began what it is doing, when it drew the block last */
    double begun, since, painted;
    double spent[PTD_DOINGS];   /* seconds before `since` */
    int64_t step;               /* last whole step; 0: none */
    double step_work;           /* seconds of it in which it worked */
    int64_t first, done, total; /* as in progress.h; `what` empty: not said */
    int64_t groups, tokens;     /* that went through it; tokens: of responses */
    int64_t queued;             /* bytes that wait in its input, when it last looked */
    char name[24], what[24], note[96];
    char said[512]; /* the last question and answer, for people; "" if it sees none */
};

void ptd_board_join(void);
void ptd_board_store(const char *dir);
void ptd_board_doing(enum ptd_doing doing);
/* Groups went through; tokens: of their responses. */
void ptd_board_count(int64_t groups, int64_t tokens);
void ptd_board_step(int64_t step); /* is whole */
void ptd_board_progress(const char *what, int64_t first, int64_t done, int64_t total,
                        const char *note);
void ptd_board_said(const char *text);
void ptd_board_painted(double now);
/* This program's own post; NULL before it joined. */
const struct ptd_post *ptd_board_own(void);
/* A copy of all posts of programs that run; how many. */
int ptd_board_list(struct ptd_post list[PTD_POSTS]);
#endif
