/* ptd-eval: validation while a run trains. Follows a store: as soon as a generation that is due is
 * published, it examines it on a data set, prints one JSON object with val/ metrics, and pins the
 * best one, so that --keep does not drop it. Ends when the trainer has gone and its last generation
 * is examined.
 *
 *     ptd-eval run.ptd test.jsonl --every 20 >> val.jsonl &
 *     ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-hint | ptd-ref |
 *         ptd-update >> run.metrics
 *
 * An examination is the pipe that a user would write, ptd-rollout --greedy | ptd-verify | ptd-stat
 * --json, and with --group-size a second one of samples; it runs only when nobody else wants the
 * cores (SCHED_IDLE, nice 19), and reads a generation as any reader does, so it slows no trainer.
 * With --stop-after the trainer is asked to end in order, by SIGTERM, when there has been no gain
 * for so long. What it knows lies in the store (evaluated.h): started anew, it goes on. */
#include "base/opt.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "data/dataset.h"
#include "method/evaluated.h"
#include "method/glossary.h"
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *by, *rollout, *verify;
    int64_t every;
    int group_size, prompts, max_tokens, stop_after, wait, once, threads;
} opt = {.by = "val/accuracy_reward",
         .rollout = "",
         .verify = "",
         .every = 20,
         .prompts = 100,
         .max_tokens = 64,
         .wait = 60,
         .threads = 1};

static const struct ptd_opt options[] = {
    {"every", 'e', PTD_OPT_LONG, &opt.every, "N",
     "examine generations N, 2N ..., and the last one; of several that are due the newest", 1, 1e9},
    {"group-size", 'G', PTD_OPT_INT, &opt.group_size, "N",
     "samples to each prompt, beside the greedy answer (0: none)", 0, 4096},
    {"prompts", 'P', PTD_OPT_INT, &opt.prompts, "N", "prompts that are answered at once", 1, 65536},
    {"max-tokens", 'm', PTD_OPT_INT, &opt.max_tokens, "N", "limit of a response", 1, 1 << 20},
    {"by", 0, PTD_OPT_STR, &opt.by, "METRIC", "what the best generation has most of", 0, 0},
    {"stop-after", 0, PTD_OPT_INT, &opt.stop_after, "N",
     "end the run, in order, after N examinations without gain (0: never)", 0, 1 << 20},
    {"rollout", 0, PTD_OPT_STR, &opt.rollout, "OPTIONS", "more options of ptd-rollout", 0, 0},
    {"verify", 0, PTD_OPT_STR, &opt.verify, "OPTIONS", "options of ptd-verify", 0, 0},
    {"once", 0, PTD_OPT_FLAG, &opt.once, NULL, "examine the newest generation, and end", 0, 0},
    {"wait", 0, PTD_OPT_INT, &opt.wait, "S", "seconds to wait for a trainer to begin", 0, 1 << 30},
    {"threads", 'j', PTD_OPT_INT, &opt.threads, "N", "of an examination; 0: as many as cores", 0,
     256},
    {0}};
static const struct ptd_usage usage = {
    "ptd-eval",
    "STORE DATA.jsonl",
    "examine new generations while a run trains, and keep the best",
    "ptd-eval run.ptd test.jsonl --every 20 >> val.jsonl &\n"
    "ptd-eval run.ptd test.jsonl -G 8 --by val/pass@8 --stop-after 5 >> val.jsonl &\n"
    "ptd-eval run.ptd test.jsonl --once",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 71 no memory, 74 i/o, 75 the run was ended for "
    "want of gain, 77 no permission"};

static struct {
    struct ptd_store *store;
    const char *data;
    struct ptd_evaluated known;
    long examined;
} run;

/* ---- an examination ---- */

extern char **environ;
static volatile pid_t pipe_of; /* the group of the pipe that runs; 0: none */

static void end_pipe(void)
{
    if (pipe_of) kill(-pipe_of, SIGTERM);
}

/* The programs that lie beside this one come first. */
static void find_programs(void)
{
    char here[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    const char *path = getenv("PATH");
    if (n < 0) ptd_die(PTD_OSERR, "/proc/self/exe:");
    here[n] = 0;
    *strrchr(here, '/') = 0;
    char *longer = ptd_format("%s:%s", here, path ? path : "/usr/bin:/bin");
    setenv("PATH", longer, 1);
    free(longer);
}

/* Whoever else wants a core has it. */
static void step_back(void)
{
    struct sched_param none = {0};
    setpriority(PRIO_PROCESS, 0, 19);
    sched_setscheduler(0, SCHED_IDLE, &none);
}

/* statuses: its descriptor 3 */
static FILE *start(const char *command, int64_t generation, int statuses)
{
    char number[24];
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) < 0) ptd_die(PTD_OSERR, "a pipe:");
    snprintf(number, sizeof number, "%lld", (long long)generation);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    posix_spawn_file_actions_adddup2(&files, statuses, 3);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    char *const argv[] = {"sh",
                          "-c",
                          (char *)command,
                          "sh",
                          (char *)ptd_store_path(run.store),
                          number,
                          (char *)run.data,
                          NULL};
    int error = posix_spawn(&pid, "/bin/sh", &files, &attributes, argv, environ);
    if (error) ptd_die(PTD_OSERR, "/bin/sh: %s", strerror(error));
    pipe_of = pid;
    close(ends[1]);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return fdopen(ends[0], "re");
}

/* The status to end with: that of the first program which failed, for the others fail of it.
 * statuses: what the first two had, "rollout 65 verify 76"; last: of the third, as waitpid says. */
static int cause(int statuses, int last)
{
    char text[64] = "";
    int rollout = 0, verify = 0;
    if (pread(statuses, text, sizeof text - 1, 0) < 0) *text = 0;
    const char *r = strstr(text, "rollout "), *v = strstr(text, "verify ");
    if (r) rollout = atoi(r + 8);
    if (v) verify = atoi(v + 7);
    if (rollout && rollout != 128 + SIGPIPE) return rollout;
    if (verify && verify != 128 + SIGPIPE) return verify;
    return WIFEXITED(last) && WEXITSTATUS(last) ? WEXITSTATUS(last) : PTD_DATAERR;
}

/* What ptd-stat says of it; dies if the pipe fails, whose programs have said why. */
static json_t *examine(const char *how, int64_t generation)
{
    int status, statuses = memfd_create("statuses", MFD_CLOEXEC);
    char *command =
        ptd_format("{ ptd-rollout -q -s \"$1\" -g \"$2\" %s -P %d -m %d -j %d %s -- \"$3\"; echo "
                   "rollout $? >&3; } "
                   "| { ptd-verify -q %s; echo verify $? >&3; } | ptd-stat -q --json --answers 1",
                   how, opt.prompts, opt.max_tokens, opt.threads, opt.rollout, opt.verify);
    if (statuses < 0) ptd_die(PTD_OSERR, "memory for statuses:");
    FILE *f = start(command, generation, statuses);
    json_t *said = json_loadf(f, 0, NULL);
    fclose(f);
    while (waitpid(pipe_of, &status, 0) < 0 && errno == EINTR) {
    }
    pipe_of = 0;
    free(command);
    if (!said || status)
        ptd_die(cause(statuses, status),
                "the examination of generation %lld failed; see what its programs say above",
                (long long)generation);
    close(statuses);
    return said;
}

/* ---- metrics ---- */

static void put(json_t *o, const char *name, json_t *value)
{
    char *key = ptd_format("val/%s", name);
    json_object_set(o, key, value ? value : json_null());
    free(key);
}

/* Ends of the range of a figure. */
static void put_range(json_t *o, const char *name, json_t *interval)
{
    char *low = ptd_format("%s/low", name), *high = ptd_format("%s/high", name);
    put(o, low, json_array_get(interval, 0));
    put(o, high, json_array_get(interval, 1));
    free(low);
    free(high);
}

static void put_greedy(json_t *o, json_t *said)
{
    json_t *total = json_object_get(said, "total"),
           *base = json_object_get(json_object_get(said, "answers"), "baseline");
    put(o, "accuracy_reward", json_object_get(total, "mean@1"));
    put_range(o, "accuracy_reward", json_object_get(json_object_get(total, "intervals"), "mean@1"));
    put(o, "format_reward", json_object_get(total, "format"));
    put(o, "unparsable", json_object_get(total, "unparsable"));
    put(o, "response_length", json_object_get(total, "length"));
    put(o, "distinct_ratio", json_object_get(total, "distinct"));
    put(o, "baseline", json_object_get(base, "accuracy"));
}

static void put_samples(json_t *o, json_t *said)
{
    static const char *const kinds[] = {"mean", "pass", "maj"};
    json_t *total = json_object_get(said, "total"),
           *intervals = json_object_get(total, "intervals");
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s@%d", kinds[i], opt.group_size);
        if (!json_object_get(total, name)) continue;
        put(o, name, json_object_get(total, name));
        put_range(o, name, json_object_get(intervals, name));
    }
    put(o, "entropy", json_object_get(total, "entropy"));
}

static json_t *metrics_of(int64_t generation)
{
    double started = ptd_now();
    json_t *o = json_pack("{s:I}", "step", (json_int_t)generation),
           *greedy = examine("--greedy", generation);
    put_greedy(o, greedy);
    json_decref(greedy);
    if (opt.group_size) {
        char how[32];
        snprintf(how, sizeof how, "-G %d", opt.group_size);
        json_t *samples = examine(how, generation);
        put_samples(o, samples);
        json_decref(samples);
    }
    json_object_set_new(o, "val/seconds", json_real(ptd_now() - started));
    return o;
}

static _Noreturn void refuse_by(void)
{
    ptd_misuse("--by \"%.64s\": expected one of the metrics that are printed, such as "
               "val/accuracy_reward",
               opt.by);
}

static double score_of(const json_t *metrics)
{
    json_t *v = json_object_get(metrics, opt.by);
    if (!v) refuse_by(); /* samples that were not asked for, say */
    return json_is_number(v) ? json_number_value(v) : -DBL_MAX;
}

static void print_line(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    puts(text);
    ptd_stdout_flush();
    free(text);
}

static void tell_of(int64_t generation, double score, int best)
{
    if (best)
        ptd_info("generation %lld: %s %.4g, the best so far, pinned", (long long)generation, opt.by,
                 score);
    else
        ptd_info("generation %lld: %s %.4g, the best is still generation %lld",
                 (long long)generation, opt.by, score, (long long)run.known.best);
}

/* One generation. 0: it has gone before it could be pinned. */
static int look_at(int64_t generation)
{
    if (ptd_evaluated_try(&run.known, generation) < 0) {
        if (ptd_failed_status() != PTD_NOINPUT) ptd_die_last();
        return 0;
    }
    json_t *o = metrics_of(generation);
    double score = score_of(o);
    int best = ptd_evaluated_found(&run.known, generation, score, o);
    if (best < 0) ptd_die_last();
    print_line(o);
    json_decref(o);
    run.examined++;
    tell_of(generation, score, best);
    return 1;
}

/* ---- following ---- */

static int64_t newest(void)
{
    int64_t head;
    if (ptd_store_head(run.store, &head) < 0) ptd_die_last();
    return head;
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = 200000000};
    nanosleep(&t, NULL);
}

/* 1: the run was ended. */
static int stop_run(void)
{
    if (!opt.stop_after || run.known.without < opt.stop_after) return 0;
    int asked = ptd_store_stop_trainer(run.store);
    if (asked < 0) ptd_die_last();
    while (asked && ptd_store_trained(run.store)) nap();
    return 1;
}

/* What is due, or, where it has gone meanwhile, the newest; ends with the run where that is to end.
 */
static void examine_due(int64_t due)
{
    if (!look_at(due) && !look_at(newest())) return;
    if (stop_run())
        ptd_die(PTD_STOPPED,
                "no gain in %d examination%s: the run is ended; the best is generation %lld (%s "
                "%.4g), pinned",
                run.known.without, ptd_plural(run.known.without), (long long)run.known.best, opt.by,
                run.known.score);
}

static void follow(void)
{
    double since = ptd_now();
    int seen = 0;
    for (;;) {
        int trained = ptd_store_trained(run.store);
        seen |= trained;
        int64_t head = newest(), due = ptd_evaluated_due(&run.known, head);
        int over = !trained && (seen || ptd_now() - since >= opt.wait);
        if (over && head > run.known.last) due = head;
        if (due >= 0) examine_due(due);
        if (over && newest() <= run.known.last) return;
        if (due < 0) nap();
    }
}

static void look_once(void)
{
    while (!run.examined && newest() > run.known.last) examine_due(newest());
}

/* Figures of other questions, limits or judges are no figures to compare with; malloc'd. */
static char *what_is_compared(void)
{
    return ptd_format("%s by %s, -m %d%s%s%s%s", run.data, opt.by, opt.max_tokens,
                      *opt.rollout ? " " : "", opt.rollout, *opt.verify ? " " : "", opt.verify);
}

static void tell_end(void)
{
    const struct ptd_evaluated *k = &run.known;
    if (opt.once && !run.examined)
        ptd_info("generation %lld is already examined: ptd-dump %s shows its figures as "
                 "\"evaluated\"; the best is %lld, %s %.4g, pinned",
                 (long long)k->last, ptd_store_path(run.store), (long long)k->best, opt.by,
                 k->score);
    else if (k->best >= 0)
        ptd_info("%ld generation%s examined; the best is %lld, %s %.4g, pinned", run.examined,
                 ptd_plural(run.examined), (long long)k->best, opt.by, k->score);
}

/* What every examination would be refused for is told at once. */
static void check_data(const char *path)
{
    struct ptd_dataset *d = ptd_dataset_open(path);
    if (!d) ptd_die_last();
    ptd_dataset_close(d);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    if (argc - first != 2) ptd_misuse("expected a store and a data set");
    run.data = argv[first + 1];
    if (strncmp(opt.by, "val/", 4) != 0 || !ptd_metric_named(opt.by)) refuse_by();
    check_data(run.data);
    find_programs();
    step_back();
    ptd_stop_before(end_pipe);
    if (ptd_store_open(&run.store, argv[first], PTD_STORE_CACHE) < 0) ptd_die_last();
    char *of = what_is_compared();
    if (ptd_evaluated_open(&run.known, run.store, of, opt.every) < 0) ptd_die_last();
    free(of);
    if (opt.stop_after && run.known.without >= opt.stop_after) run.known.without = 0;
    if (opt.once)
        look_once();
    else
        follow();
    tell_end();
    ptd_evaluated_close(&run.known);
    ptd_store_close(run.store);
    return PTD_OK;
}
