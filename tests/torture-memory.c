/* torture-memory: runs a command again and again in fresh copies of a folder, each time with
 * another request for memory failing,
 * and judges every run: refused with 71 and one line, or the same results as undisturbed. The jobs
 * are torture-memory.sh's.
 *
 *     torture-memory [-t TRIES] [-n N] FOLDER COMMAND [ARGUMENT...] -t: at most so many, evenly;
 *         -n: only the N-th, with its place
 *
 * Each request fails alone, then with all that follow. The command runs inside the copy: its input
 * is the file `in`, if there is one, its output the file `out`. */
#include "shim-malloc.h"
#include "store/store.h"
#include <fcntl.h>
#include <fts.h>
#include <jansson.h>
#include <libgen.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

enum { DEADLINE = 10, LISTING = 1 << 16 };

static struct shim_malloc *shim;
static const char *from, *name; /* the folder, the program */
static char **command;
static char *copy;

struct tally {
    long tried, refused, same, foreign, bad;
};

/* ---- folders ---- */

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

static void copy_file(const char *source, const char *target, off_t size)
{
    int in = open(source, O_RDONLY), out = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (ssize_t n = 1; size > 0 && n > 0; size -= n) n = sendfile(out, in, NULL, (size_t)size);
    if (size) give_up(source);
    close(in);
    close(out);
}

static void each_entry(const char *root, void (*f)(const FTSENT *e, void *ctx), void *ctx,
                       int after)
{
    char *roots[] = {(char *)(uintptr_t)root, NULL};
    FTS *all = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!all) give_up(root);
    for (FTSENT *e; (e = fts_read(all));)
        if (e->fts_info == FTS_F || e->fts_info == (after ? FTS_DP : FTS_D)) f(e, ctx);
    fts_close(all);
}

static void remove_entry(const FTSENT *e, void *ctx)
{
    (void)ctx;
    remove(e->fts_path);
}

static void copy_entry(const FTSENT *e, void *ctx)
{
    char *target = ptd_format("%s%s", copy, e->fts_path + strlen(from));
    (void)ctx;
    if (e->fts_info == FTS_D)
        mkdir(target, 0755);
    else
        copy_file(e->fts_path, target, e->fts_statp->st_size);
    free(target);
}

static void fresh_copy(void)
{
    if (access(copy, F_OK) == 0) each_entry(copy, remove_entry, NULL, 1);
    each_entry(from, copy_entry, NULL, 0);
}

/* ---- what a folder holds, as text: one line each file or store ---- */

struct listing {
    char text[LISTING];
    size_t n;
};

/* What a store must hold (0), and what it may have cached (1). */
static int add_value(const char *db, const char *key, size_t key_len, const void *value, size_t len,
                     void *ctx)
{
    XXH64_hash_t *h = (XXH64_hash_t *)ctx + !strcmp(db, "dist");
    *h = XXH3_64bits_withSeed(db, strlen(db), *h);
    *h = XXH3_64bits_withSeed(key, key_len, *h);
    *h = XXH3_64bits_withSeed(value, len, *h);
    return 0;
}

/* "DIGEST cache DIGEST", or why there is none. */
static char *describe_store(const char *dir)
{
    struct ptd_store *s;
    XXH64_hash_t h[2] = {0};
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) return ptd_strdup(ptd_failed_message());
    int rc = ptd_store_walk(s, add_value, h);
    ptd_store_close(s);
    return rc < 0 ? ptd_strdup(ptd_failed_message())
                  : ptd_format("%016llx cache %016llx", (unsigned long long)h[0],
                               (unsigned long long)h[1]);
}

/* Metrics say how long things took; all else must be the same. */
static XXH64_hash_t digest_line(const char *line, size_t n, XXH64_hash_t h)
{
    json_t *o = json_loadb(line, n, 0, NULL);
    const char *key;
    json_t *v;
    void *next;
    json_object_foreach_safe(o, next, key,
                             v) if (!strncmp(key, "timing_s", 8) || !strncmp(key, "perf/", 5))
        json_object_del(o, key);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    h = text ? XXH3_64bits_withSeed(text, strlen(text), h) : XXH3_64bits_withSeed(line, n, h);
    free(text);
    json_decref(o);
    return h;
}

static XXH64_hash_t digest_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    XXH64_hash_t h = 0;
    if (!f) give_up(path);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) h = digest_line(line, (size_t)n, h);
    free(line);
    fclose(f);
    return h;
}

static void describe_entry(const FTSENT *e, void *ctx)
{
    struct listing *l = ctx;
    const char *file = e->fts_path + strlen(copy);
    char *what = NULL;
    /* who, when, where */
    int passing = !strncmp(e->fts_name, "lock", 4) || !strncmp(e->fts_name, "pictures-", 9) ||
                  !strncmp(e->fts_name, "base.", 5); /* with the store of data.mdb */
    if (e->fts_info == FTS_D || !strcmp(file, "/err") || passing) return;
    if (!strcmp(e->fts_name, "data.mdb")) {
        char *dir = ptd_strdup(e->fts_path);
        what = describe_store(dirname(dir));
        free(dir);
    } else
        what = ptd_format("%016llx", (unsigned long long)digest_file(e->fts_path));
    l->n += (size_t)snprintf(l->text + l->n, LISTING - l->n, "%s %s\n", file, what);
    if (l->n >= LISTING) give_up("listing");
    free(what);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The listing of the copy, sorted. */
static void describe(struct listing *l)
{
    static struct listing raw;
    char *lines[1024];
    int n = 0;
    raw.n = l->n = 0;
    each_entry(copy, describe_entry, &raw, 0);
    raw.text[raw.n] = 0;
    for (char *at = strtok(raw.text, "\n"); at && n < 1024; at = strtok(NULL, "\n"))
        lines[n++] = at;
    qsort(lines, (size_t)n, sizeof *lines, by_name);
    l->text[0] = 0;
    for (int i = 0; i < n; i++) l->n += (size_t)sprintf(l->text + l->n, "%s\n", lines[i]);
}

/* ---- one run ---- */

static int run(void)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status;
    char *in = ptd_format("%s/in", copy), *out = ptd_format("%s/out", copy),
         *err = ptd_format("%s/err", copy);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, access(in, F_OK) ? "/dev/null" : in, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addopen(&files, 2, err, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_addchdir_np(&files, copy);
    if (posix_spawnp(&pid, command[0], &files, NULL, command, environ)) give_up(command[0]);
    posix_spawn_file_actions_destroy(&files);
    alarm(DEADLINE);
    if (waitpid(pid, &status, 0) < 0) kill(pid, SIGKILL), waitpid(pid, &status, 0);
    alarm(0);
    free(in);
    free(out);
    free(err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *said(void)
{
    static char text[4096];
    char *path = ptd_format("%s/err", copy);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = 0;
    if (fd >= 0) close(fd);
    free(path);
    return text;
}

/* Behind what it warned of before. */
static const char *without_warnings(const char *text)
{
    static const char mark[] = ": warning: ";
    size_t n = strlen(name);
    const char *end;
    while (!strncmp(text, name, n) && !strncmp(text + n, mark, sizeof mark - 1) &&
           (end = strchr(text, '\n')))
        text = end + 1;
    return text;
}

static int one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    size_t n = strlen(name);
    return end && !end[1] && !strncmp(text, name, n) && strchr(": ", text[n]);
}

/* Every store of `now` is as it was before or as it is after, but for its cache; one that was not
 * there before may be missing. */
static int stores_whole(const char *now, const char *before, const char *after)
{
    for (const char *at = now; *at; at = strchr(at, '\n') + 1) {
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)(strchr(at, '\n') - at), at);
        if (strstr(line, " cache ")) *(strstr(line, " cache ") + 7) = 0;
        if (strstr(line, "/data.mdb ") && !strstr(before, line) && !strstr(after, line)) return 0;
    }
    return 1;
}

static const char *fault(int status, const struct listing *now, const struct listing *before,
                         const struct listing *after)
{
    if (status == 0) return strcmp(now->text, after->text) ? "status 0 with other results" : NULL;
    if (!stores_whole(now->text, before->text, after->text)) return "a store is not whole";
    /* it does not cope either */
    if (strstr(said(), "AddressSanitizer: CHECK failed")) shim->foreign = 1;
    if (shim->foreign) return NULL;
    if (status > 128) return "killed by a signal";
    if (status != PTD_OSERR) return "another status than 71";
    return one_line(without_warnings(said())) ? NULL : "not one line";
}

/* 0 once the run had no N-th request. */
static int try(uint64_t n, const struct listing *before, const struct listing *after,
               struct tally *t)
{
    static struct listing now;
    fresh_copy();
    shim->fail_at = n;
    shim->count = shim->fired = 0;
    shim->foreign = 0;
    int status = run();
    describe(&now);
    const char *wrong = fault(status, &now, before, after);
    if (!shim->fired && status) wrong = "fails although nothing failed";
    t->bad += wrong != NULL;
    if (wrong || shim->trace)
        printf("# request %llu%s: status %d, %s: %s\n", (unsigned long long)n,
               shim->sticky ? " and all after it" : "", status, wrong ? wrong : "fine", said());
    if (!shim->fired) return 0;
    t->tried++;
    t->same += status == 0;
    t->refused += status == PTD_OSERR;
    t->foreign += status != 0 && status != PTD_OSERR && shim->foreign;
    return 1;
}

/* ---- all of it ---- */

static void on_alarm(int sig)
{
    (void)sig;
}

static void set_up(const char *folder)
{
    char *file = ptd_format("%s.shim", folder);
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof *shim) < 0) give_up(file);
    shim = mmap(NULL, sizeof *shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shim == MAP_FAILED) give_up(file);
    close(fd);
    setenv(SHIM_MALLOC_FILE, file, 1);
    setenv("LD_PRELOAD", getenv("SHIM"), 1);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    from = folder;
    copy = ptd_format("%s.copy", folder);
    free(file);
}

/* Single (0) or sticky (1). */
static void sweep(uint64_t first, uint64_t every, int only, const struct listing *before,
                  const struct listing *after, struct tally *t)
{
    for (uint64_t n = first; try(n, before, after, t) && !only; n += every)
        ;
}

static struct tally sweep_both(uint64_t tries, uint64_t only)
{
    static struct listing before, after;
    struct tally t = {0};
    uint64_t every = 1;
    fresh_copy();
    describe(&before);
    if (run() != 0) printf("# undisturbed it fails: %s\n", said()), t.bad++;
    describe(&after);
    if (shim->count > tries) every = shim->count / tries;
    for (shim->sticky = 0; shim->sticky < 2; shim->sticky++)
        sweep(only ? only : 1 + shim->sticky * every / 2, every, only != 0, &before, &after, &t);
    return t;
}

int main(int argc, char **argv)
{
    uint64_t tries = UINT64_MAX, only = 0;
    for (int c; (c = getopt(argc, argv, "+t:n:")) != -1;)
        *(c == 't' ? &tries : &only) = strtoull(optarg, NULL, 10);
    if (argc - optind < 2 || !tries)
        give_up("usage: torture-memory [-t TRIES] [-n N] FOLDER COMMAND");
    set_up(argv[optind]);
    command = argv + optind + 1;
    name = basename(command[0]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    shim->trace = only != 0;
    struct tally t = sweep_both(tries, only);
    if (shim->count == 0) printf("# no request was seen\n"), t.bad++;
    printf("%llu requests for memory, %ld runs: %ld refused, %ld not affected, %ld ended within "
           "OpenBLAS, "
           "%ld wrong\n",
           (unsigned long long)shim->count, t.tried, t.refused, t.same, t.foreign, t.bad);
    return t.bad != 0;
}
