/* watch_private: what watch.c gathers, for those who show it. */
#ifndef PTD_WATCH_PRIVATE_H
#define PTD_WATCH_PRIVATE_H
#include "store/store.h"
#include "view/lines.h"
#include "view/watch.h"

#define PTD_WATCH_FIELDS 64 /* most curves */
#define PTD_WATCH_SAID   8  /* answers that are kept */
#define PTD_WATCH_POINTS 1000000

struct ptd_watch_series {
    char *name;
    double *x, *y;
    long n, cap;
};

struct ptd_watch {
    char *dir;
    struct ptd_store *store;
    uint64_t dev, ino;
    int64_t generation, steps; /* steps: of the whole run; 0: not known */
    int trained;
    double eta;  /* seconds; -1: not known */
    size_t left; /* bytes of memory */
    struct ptd_lines **lines;
    int n_lines;
    long read; /* lines of metrics */
    struct ptd_watch_series *series;
    int n_series;
    json_t *index; /* name: its series */
    char *chosen[PTD_WATCH_FIELDS];
    int n_chosen;
    struct ptd_post post[PTD_POSTS]; /* of this run */
    size_t memory[PTD_POSTS];        /* bytes that each has, 0: not known */
    int n_posts;
    char *said[PTD_WATCH_SAID]; /* newest first */
    int n_said;
};

/* NULL: there is none of that name. */
const struct ptd_watch_series *ptd_watch_find(const struct ptd_watch *w, const char *name);
/* Share of the time since it joined in which a program worked; its tokens a second of work. */
double ptd_watch_busy(const struct ptd_post *p);
double ptd_watch_speed(const struct ptd_post *p);
/* A choice of names to show, where none was asked for; how many. */
int ptd_watch_choice(const struct ptd_watch *w, const char *names[PTD_WATCH_FIELDS]);
/* The four lines of a said text, each a copy; free them. */
void ptd_watch_split(const char *said, char *part[4]);
#endif
