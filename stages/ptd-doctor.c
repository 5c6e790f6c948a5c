/* ptd-doctor: will it run here, and what to change if not: a line for each thing that decides it.
 *
 *     ptd-doctor                              the machine and this folder's disk
 *     ptd-doctor run.ptd train.jsonl -G 16    and what a run of these needs, and how long a step is
 *
 * What programs need they say themselves (--plan); the time of a step is measured by two small ones
 * on a copy of the store, which lies beside it meanwhile, as STORE.doctor.ptd-part. Nothing else is
 * written, and what one that was killed has left there the next one removes. */
#include "base/folder.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/room.h"
#include "base/signals.h"
#include "base/size.h"
#include "view/doctor.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_MOST 8 /* prompts of a step of the probe */
#define STAGES     5

static struct {
    int prompts, group_size, max_tokens, json, probe;
    double patience;
} opt = {.prompts = 24, .group_size = 8, .max_tokens = 64, .probe = 1, .patience = 60};
static const struct ptd_opt options[] = {
    {"prompts", 'P', PTD_OPT_INT, &opt.prompts, "N", "prompts in a step of the run", 1, 65536},
    {"group-size", 'G', PTD_OPT_INT, &opt.group_size, "N", "responses to each", 1, 4096},
    {"max-tokens", 'm', PTD_OPT_INT, &opt.max_tokens, "N", "limit of a response", 1, 1 << 20},
    {"probe", 0, PTD_OPT_FLAG, &opt.probe, NULL, "measure a step on a copy of the store", 0, 0},
    {"patience", 0, PTD_OPT_DOUBLE, &opt.patience, "SECONDS", "for the probe", 1, 1e6},
    {"json", 0, PTD_OPT_FLAG, &opt.json, NULL, "one JSON object", 0, 0},
    {0}};
static const struct ptd_usage usage = {
    "ptd-doctor",
    "[STORE] [DATA.jsonl]",
    "what this machine has, what a run needs, and whether it fits",
    "ptd-doctor\n"
    "ptd-doctor run.ptd train.jsonl -P 24 -G 16 -m 512\n"
    "ptd-doctor train.jsonl\n"
    "ptd-doctor --json | jq -r '.findings[] | select(.health == \"bad\") | .words'",
    options,
    "0 done, 1 something is bad, 2 misuse, 66 no input, 71 no memory, 74 i/o"};

static const volatile int *stop;

/* ---- running programs ---- */

struct said {
    char *out, *words; /* standard output; the first line of standard error */
    int status;        /* -1: it took too long */
};

static char *all_of(int fd)
{
    struct stat st;
    size_t n = fstat(fd, &st) ? 0 : (size_t)st.st_size;
    char *text = ptd_malloc(n + 1);
    ssize_t got = pread(fd, text, n, 0);
    text[got > 0 ? got : 0] = 0;
    return text;
}

static void clear_said(struct said *s)
{
    free(s->out);
    free(s->words);
}

/* The program that lies beside this one. */
static char *beside(const char *name)
{
    char here[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    here[n < 0 ? 0 : n] = 0;
    char *slash = strrchr(here, '/');
    if (slash) *slash = 0;
    return ptd_format("%s/%s", here, name);
}

static pid_t start(const char *const *argv, int in, int out, int err)
{
    char *path = beside(argv[0]);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody trains a copy for nobody */
        dup2(in, 0);
        dup2(out, 1);
        dup2(err, 2);
        execv(path, (char *const *)(uintptr_t)argv);
        _exit(PTD_UNAVAILABLE);
    }
    free(path);
    if (child < 0) ptd_die(PTD_OSERR, "fork:");
    return child;
}

/* Waits for all of them; the worst status, -1 if the time is over. */
static int wait_for(pid_t *child, int n, double until)
{
    int worst = 0, left = n, status;
    for (; left && !*stop && ptd_now() < until; poll(NULL, 0, 20))
        for (int i = 0; i < n; i++)
            if (child[i] && waitpid(child[i], &status, WNOHANG) == child[i]) {
                int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                if (code > worst && (code != 128 + SIGPIPE || !worst)) worst = code;
                child[i] = 0, left--;
            }
    for (int i = 0; i < n; i++)
        if (child[i]) kill(child[i], SIGKILL), waitpid(child[i], NULL, 0);
    return left ? -1 : worst;
}

static struct {
    char *path; /* of the copy that is measured; NULL: none */
    int folder; /* locked as long as it is ours */
} scratch;

static int is_ours(int folder, const char *name, int link, void *ctx)
{
    return !link;
}

static void remove_scratch(void)
{
    if (!scratch.path) return;
    if (ptd_folder_clear(scratch.folder, scratch.path, is_ours, NULL) == 0) rmdir(scratch.path);
    close(scratch.folder);
    free(scratch.path);
    scratch.path = NULL;
}

static _Noreturn void end(void)
{
    remove_scratch();
    ptd_stop_die();
}

/* A pipe of programs, each as its argv; the first reads nothing. */
static struct said run(const char *const *const *stage, int n, double seconds)
{
    pid_t child[STAGES];
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC), next[2] = {-1, -1};
    if (out < 0 || err < 0 || in < 0) ptd_die(PTD_OSERR, "memory for what programs say:");
    for (int i = 0; i < n; i++) {
        if (i + 1 < n && pipe2(next, O_CLOEXEC)) ptd_die(PTD_OSERR, "pipe:");
        child[i] = start(stage[i], in, i + 1 < n ? next[1] : out, err);
        close(in);
        if (i + 1 < n) close(next[1]);
        in = next[0];
    }
    struct said s = {.status = wait_for(child, n, ptd_now() + seconds)};
    if (*stop) end();
    s.out = all_of(out);
    s.words = all_of(err);
    s.words[strcspn(s.words, "\n")] = 0;
    close(out);
    close(err);
    return s;
}

/* "ptd-update: what is wrong" without the name. */
static const char *without_name(const char *words)
{
    const char *colon = strstr(words, ": ");
    return !strncmp(words, "ptd-", 4) && colon ? colon + 2 : words;
}

/* ---- data ---- */

struct data {
    long prompt, width, height; /* tokens of the longest prompt; 0: not known */
};

/* store: NULL without one */
static void find_data(struct ptd_findings *f, const char *store, const char *path, struct data *d)
{
    const char *const with[] = {"ptd-data", "check", "--json", "-q", "--store",
                                store,      "--",    path,     NULL},
                      *const alone[] = {"ptd-data", "check", "--json", "-q", "--", path, NULL},
                      *const * stage[] = {store ? with : alone};
    struct said s = run(stage, 1, 3600);
    json_t *o = json_loads(s.out, 0, NULL);
    json_int_t rows = 0, usable = 0, pictures = 0, prompt = 0;
    if (!o ||
        json_unpack(o, "{s:I, s:I, s:I}", "rows", &rows, "usable", &usable, "pictures", &pictures))
        ptd_find(f, PTD_BAD, "data", NULL, NULL, "%s", without_name(s.words));
    else {
        json_unpack(o, "{s:{s:{s:I}}}", "tokens", "prompt", "most", &prompt);
        d->prompt = (long)prompt;
        ptd_find(f, usable == rows && rows ? PTD_GOOD : PTD_BAD, "data",
                 json_pack("{s:I, s:I, s:I, s:I}", "rows", rows, "usable", usable, "pictures",
                           pictures, "prompt", prompt),
                 usable == rows && rows
                     ? NULL
                     : "ptd-data check names them; --fix OUT.jsonl writes the good ones",
                 store
                     ? "%s: %lld of %lld rows usable, %lld pictures, prompts of at most %lld tokens"
                     : "%s: %lld of %lld rows usable, %lld pictures",
                 path, (long long)usable, (long long)rows, (long long)pictures, (long long)prompt);
    }
    json_decref(o);
    clear_said(&s);
}

/* ---- memory and disk of a run ---- */

struct need {
    double memory, publishing; /* bytes, of all programs; of what a step publishes */
    int unknown;
};

static double part_of(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

static void find_plan(struct ptd_findings *f, const char *const *argv, struct need *need)
{
    const char *const *stage[] = {argv};
    struct said s = run(stage, 1, 600);
    json_t *o = json_loads(s.out, 0, NULL);
    double sum = part_of(o, "sum"), there = part_of(o, "there");
    need->memory += sum;
    need->publishing += part_of(o, "publishing");
    if (!o) {
        need->unknown = 1;
        ptd_find(f, PTD_BAD, argv[0], NULL, NULL, "%s", without_name(s.words));
    } else if (s.status)
        ptd_find(f, PTD_BAD, argv[0], json_incref(o), NULL, "%s", without_name(s.words));
    else
        ptd_find(f, PTD_GOOD, argv[0], json_incref(o), NULL, "takes %s of the %s there are",
                 ptd_size(sum).text, ptd_size(there).text);
    json_decref(o);
    clear_said(&s);
}

static void find_together(struct ptd_findings *f, double memory)
{
    double left = (double)ptd_room_left();
    int bad = memory > left;
    ptd_find(f, bad ? PTD_BAD : PTD_GOOD, "together",
             json_pack("{s:f, s:f}", "memory", memory, "left", left),
             bad ? "a smaller --micro of ptd-update and --kv-max of ptd-rollout, or ptd-init --lora"
                 : NULL,
             "the programs of a run take %s at once, of %s", ptd_size(memory).text,
             ptd_size(left).text);
}

static void find_growth(struct ptd_findings *f, const char *store, double publishing)
{
    struct statvfs v;
    double room = statvfs(store, &v) ? 0 : (double)v.f_bavail * (double)v.f_frsize;
    int bad = 2 * publishing > room;
    ptd_find(
        f, bad ? PTD_BAD : PTD_GOOD, "store",
        json_pack("{s:f, s:f}", "publishing", publishing, "left", room),
        bad ? "make room, or ptd-init --lora for smaller generations" : NULL,
        "a generation with its moments is %s; two of them are there at a time, and the disk has "
        "room for %s",
        ptd_size(publishing).text, ptd_size(room).text);
}

static void find_needs(struct ptd_findings *f, const char *store, const struct data *d)
{
    char expect[160], P[16], G[16], m[16];
    int n = snprintf(expect, sizeof expect, "prompts=%d,answers=%dx%d", opt.prompts, opt.group_size,
                     opt.max_tokens);
    if (d->prompt) snprintf(expect + n, sizeof expect - (size_t)n, ",prompt=%ld", d->prompt);
    snprintf(P, sizeof P, "%d", opt.prompts);
    snprintf(G, sizeof G, "%d", opt.group_size);
    snprintf(m, sizeof m, "%d", opt.max_tokens);
#define PLAN "-q", "--plan", "--json", "-s", store, "--expect", expect
    const char *const rollout[] = {"ptd-rollout", PLAN, "-P", P, "-G", G, "-m", m, NULL};
    const char *const ref[] = {"ptd-ref", PLAN, NULL}, *const update[] = {"ptd-update", PLAN, NULL};
    struct need need = {0};
    find_plan(f, rollout, &need);
    find_plan(f, ref, &need);
    find_plan(f, update, &need);
    if (!need.unknown) find_together(f, need.memory);
    if (need.publishing > 0) find_growth(f, store, need.publishing);
}

/* ---- the probe ---- */

/* An empty folder beside the store. */
static int take_scratch(const char *store)
{
    size_t n = strlen(store);
    while (n > 1 && store[n - 1] == '/') n--;
    char *path = ptd_format("%.*s.doctor" PTD_PART, (int)n, store);
    int folder = ptd_folder_take(path);
    if (folder >= 0 && ptd_folder_clear(folder, path, is_ours, NULL) == 0) {
        scratch.path = path, scratch.folder = folder;
        return 0;
    }
    if (folder >= 0) close(folder);
    free(path);
    return -1;
}

/* "timing_s/NAME" of the last line of metrics; 0: there is none. */
static double last_time(const char *lines, const char *name)
{
    const char *at = lines;
    for (const char *p = lines; (p = strchr(p, '\n')) && p[1]; p++) at = p + 1;
    json_t *o = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
    double x = part_of(o, name);
    json_decref(o);
    return x;
}

static struct said probe(const char *data, int prompts)
{
    char P[16], G[16], m[16];
    snprintf(P, sizeof P, "%d", prompts), snprintf(G, sizeof G, "%d", opt.group_size),
        snprintf(m, sizeof m, "%d", opt.max_tokens);
    const char *const rollout[] = {"ptd-rollout", "-q", "-s", scratch.path, "-P", P,   "-G", G,
                                   "-m",          m,    "-n", "2",          data, NULL};
    const char *const verify[] = {"ptd-verify", "-q", NULL}, *const hint[] = {"ptd-hint", "-q",
                                                                              NULL};
    const char *const ref[] = {"ptd-ref", "-q", NULL}, *const update[] = {"ptd-update", "-q", NULL};
    const char *const *stage[] = {rollout, verify, hint, ref, update};
    return run(stage, STAGES, opt.patience);
}

static void find_pace(struct ptd_findings *f, const struct said *s, int prompts)
{
    double step = last_time(s->out, "timing_s/step"),
           update = last_time(s->out, "timing_s/update_actor");
    double times = (double)opt.prompts / prompts;
    if (s->status == -1)
        ptd_find(f, PTD_NOTE, "time", NULL, "a larger --patience, or smaller -G, -m, or a GPU",
                 "two steps of %d x %d answers did not end within %.0f s", prompts, opt.group_size,
                 opt.patience);
    else if (s->status || step <= 0)
        ptd_find(f, PTD_BAD, "time", NULL, NULL, "%s",
                 *s->words ? s->words : "the probe said nothing");
    else
        ptd_find(
            f, PTD_GOOD, "time",
            json_pack("{s:f, s:f}", "step_seconds", step * times, "update_seconds", update * times),
            NULL,
            "a step of %d x %d answers takes about %.3g s, %.3g s of it the update (measured: %d x "
            "%d)",
            opt.prompts, opt.group_size, step * times, update * times, prompts, opt.group_size);
}

static void find_time(struct ptd_findings *f, const char *store, const char *data)
{
    int prompts = opt.prompts < PROBE_MOST ? opt.prompts : PROBE_MOST;
    if (take_scratch(store) < 0) {
        ptd_find(f, PTD_NOTE, "time", NULL, "--no-probe leaves that out", "not measured: %s",
                 ptd_failed_message());
        return;
    }
    atexit(remove_scratch);
    const char *const init[] = {"ptd-init", "-q", scratch.path, "--from-store", store, NULL},
                      *const * stage[] = {init};
    struct said s = run(stage, 1, 3600);
    if (s.status == 0) {
        clear_said(&s);
        s = probe(data, prompts);
    }
    find_pace(f, &s, prompts);
    clear_said(&s);
}

/* Stores are folders. */
static int is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    const char *store = first < argc ? argv[first] : NULL,
               *data = first + 1 < argc ? argv[first + 1] : NULL;
    if (data && is_file(store)) ptd_misuse("%.64s is a file: expected a store, then data", store);
    if (store && !data && is_file(store)) data = store, store = NULL;
    struct ptd_findings f = {0};
    struct data d = {0};
    if (first + 2 < argc) ptd_misuse("unexpected operand \"%.64s\"", argv[first + 2]);
    if (store && access(store, F_OK)) ptd_die(PTD_NOINPUT, "%s:", store);
    if (data && access(data, R_OK)) ptd_die(PTD_NOINPUT, "%s:", data);
    stop = ptd_stop_heed();
    ptd_doctor_machine(&f);
    ptd_doctor_disk(&f, store ? store : data ? data : ".");
    if (data) find_data(&f, store, data, &d);
    if (store) find_needs(&f, store, &d);
    if (store && data && opt.probe && ptd_findings_worst(&f) < PTD_BAD) find_time(&f, store, data);
    if (*stop) end();
    ptd_findings_print(&f, opt.json);
    ptd_stdout_flush();
    int worst = ptd_findings_worst(&f);
    ptd_findings_clear(&f);
    return worst == PTD_BAD ? PTD_VERDICT : PTD_OK;
}
