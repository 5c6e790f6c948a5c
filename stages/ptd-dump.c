/* ptd-dump: streams and stores as JSON lines or as text for people; verdicts on both.
 * Changes nothing, loads no model. */
#include "base/err.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "store/store.h"
#include "view/page.h"
#include "view/show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int pretty, text, full, check, count, html;
    int64_t head, generation;
    const char *copy;
} opt = {.generation = -1};

static const struct ptd_opt options[] = {
    {"pretty", 'p', PTD_OPT_FLAG, &opt.pretty, NULL, "indented JSON", 0, 0},
    {"text", 't', PTD_OPT_FLAG, &opt.text, NULL,
     "a readable view of questions, hints and responses", 0, 0},
    {"html", 0, PTD_OPT_FLAG, &opt.html, NULL,
     "one page for a browser, of streams and stores, side by side by step if there are several", 0,
     0},
    {"full", 'f', PTD_OPT_FLAG, &opt.full, NULL, "all entries of long arrays, all digits", 0, 0},
    {"head", 'n', PTD_OPT_LONG, &opt.head, "N", "stop after N groups; 0: all", 0, 1e15},
    {"count", 'c', PTD_OPT_FLAG, &opt.count, NULL, "one line with counts", 0, 0},
    {"check", 'C', PTD_OPT_FLAG, &opt.check, NULL, "verify all of it, one verdict; status 1 if bad",
     0, 0},
    {"copy", 0, PTD_OPT_STR, &opt.copy, "DIR",
     "copy the store to the new folder DIR, even while it is trained", 0, 0},
    {"generation", 'g', PTD_OPT_LONG, &opt.generation, "G", "of the tensor; -1: newest", -1, 1e15},
    {0}};
static const struct ptd_usage usage = {
    "ptd-dump",
    "[FILE | STORE [TENSOR]]",
    "show a stream or a store as JSON lines, as text, or as a page",
    "ptd-dump verified.rec | jq 'select(.kind == \"group\") | .rollouts[].reward'\n"
    "ptd-rollout -s run.ptd train.jsonl | ptd-verify | ptd-dump --text --head 3\n"
    "ptd-dump --html grpo.rec ptd.rec run.ptd > page.html\n"
    "ptd-dump run.ptd model.language_model.norm.weight\n"
    "ptd-dump --copy backup.ptd run.ptd",
    options,
    "0 done, 1 --check found damage, 2 misuse, 65 bad data, 66 no input, 73 cannot create the "
    "copy, 74 i/o, "
    "76 "
    "cut, 77 no permission, 78 config"};

struct tally {
    long frames, groups, steps, rollouts;
    uint64_t bytes;
};

static int show_text(const struct ptd_frame *f)
{
    struct ptd_head h;
    struct ptd_group g = {0};
    int64_t step;
    if (f->kind == PTD_HEAD) {
        if (ptd_head_decode(&h, f->body, f->body_len) < 0) return -1;
        ptd_show_head_text(&h);
        ptd_head_clear(&h);
    } else if (f->kind == PTD_GROUP) {
        if (ptd_group_decode(&g, f->body, f->body_len) < 0) return -1;
        ptd_show_group_text(&g);
        ptd_group_clear(&g);
    } else if (f->kind == PTD_STEP && ptd_frame_step(f, &step) == 0)
        printf("\n-- end of step %lld\n", (long long)step);
    return 0;
}

static int show_json(const struct ptd_frame *f)
{
    int flags = (opt.full ? PTD_SHOW_FULL : 0) | (opt.pretty ? PTD_SHOW_PRETTY : 0);
    json_t *j = ptd_show_frame(f, flags);
    if (!j) return -1;
    ptd_show_print(j, flags);
    return 0;
}

/* Counting and checking decode bodies too: a frame may be whole and its body malformed. */
static int inspect(const struct ptd_frame *f, struct tally *t)
{
    struct ptd_head h;
    struct ptd_group g = {0};
    int rc = 0;
    if (f->kind == PTD_HEAD && (rc = ptd_head_decode(&h, f->body, f->body_len)) == 0)
        ptd_head_clear(&h);
    if (f->kind == PTD_GROUP && (rc = ptd_group_read(&g, f->body, f->body_len)) == 0) {
        t->rollouts += g.n_rollouts;
        ptd_group_clear(&g);
    }
    return rc;
}

static int do_frame(const struct ptd_frame *f, struct tally *t)
{
    int quiet = opt.check || opt.count;
    if ((quiet ? inspect(f, t) : opt.text ? show_text(f) : show_json(f)) < 0) return -1;
    t->frames++;
    t->groups += f->kind == PTD_GROUP;
    t->steps += f->kind == PTD_STEP;
    t->bytes = f->offset + f->raw_len;
    return 0;
}

/* 0 at the end, 1 when --head is satisfied, -1 on failure. */
static int do_frames(struct ptd_reader *r, struct tally *t)
{
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (do_frame(&f, t) < 0) return ptd_reader_blame(r, &f);
        if (opt.head && t->groups >= opt.head) return 1;
    }
    return got;
}

static void print_count(const struct tally *t, int rc)
{
    ptd_show_print(json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "frames", (json_int_t)t->frames,
                             "groups", (json_int_t)t->groups, "rollouts", (json_int_t)t->rollouts,
                             "steps", (json_int_t)t->steps, "bytes", (json_int_t)t->bytes,
                             "complete", rc == 0),
                   opt.pretty ? PTD_SHOW_PRETTY : 0);
}

/* Only damage is a verdict: what could not be read, for whatever reason, is not bad. */
static int verdict(const char *name, const char *good)
{
    if (!good && ptd_failed_status() != PTD_DATAERR && ptd_failed_status() != PTD_CUT)
        ptd_die_last();
    printf("%s: ", good ? "ok" : "bad");
    ptd_show_line(good ? name : ptd_failed_message());
    printf("%s%s\n", good ? ": " : "", good ? good : "");
    ptd_stdout_flush();
    return good ? PTD_OK : PTD_VERDICT;
}

/* The same of damage that LMDB does not survive. */
static void tell_damage(const char *words)
{
    char line[600];
    int n = snprintf(line, sizeof line, "bad: %s\n", words);
    _exit(write(1, line, (size_t)n) == n ? PTD_VERDICT : PTD_IOERR);
}

static int dump_stream(int fd, const char *name)
{
    struct tally t = {0};
    char words[120];
    struct ptd_reader *r = ptd_reader_open(fd, name);
    int rc = do_frames(r, &t);
    snprintf(words, sizeof words, "%ld group%s, %ld rollout%s, %ld step%s, %llu bytes", t.groups,
             ptd_plural(t.groups), t.rollouts, ptd_plural(t.rollouts), t.steps, ptd_plural(t.steps),
             (unsigned long long)t.bytes);
    if (opt.count && !opt.check) print_count(&t, rc);
    ptd_stdout_flush();
    int closed = ptd_reader_close(r);
    if (opt.check)
        return verdict(strcmp(name, "-") ? name : "standard input", rc < 0 ? NULL : words);
    if (rc < 0 || (rc == 0 && closed < 0)) ptd_die_last();
    return PTD_OK;
}

static int copy_store(const char *dir)
{
    struct ptd_store *s;
    const volatile int *stop = ptd_stop_heed();
    if (ptd_store_open(&s, dir, PTD_STORE_READ) < 0) ptd_die_last();
    int rc = ptd_store_copy(s, opt.copy, stop);
    if (rc < 0 && *stop) ptd_stop_die();
    if (rc < 0) ptd_die_last();
    ptd_store_close(s);
    ptd_info("%s: copied to %s", dir, opt.copy);
    return PTD_OK;
}

static int dump_store(const char *dir, const char *tensor)
{
    int flags = (opt.full ? PTD_SHOW_FULL : 0) | (opt.pretty ? PTD_SHOW_PRETTY : 0);
    char words[64];
    long n = 0;
    if (opt.text || opt.count || opt.head)
        ptd_misuse("--text, --count and --head are for streams; %s is a store", dir);
    if (opt.check && tensor)
        ptd_misuse("--check is for all of a store, not for \"%.64s\" alone", tensor);
    if (opt.generation >= 0 && !tensor) ptd_misuse("--generation goes with a tensor's name");
    if (opt.copy && (opt.check || tensor)) ptd_misuse("--copy goes with a store alone");
    if (opt.copy) return copy_store(dir);
    if (opt.check) {
        ptd_store_on_damage = tell_damage;
        int rc = ptd_show_check_store(dir, &n);
        snprintf(words, sizeof words, "%ld tensors", n);
        return verdict(dir, rc < 0 ? NULL : words);
    }
    int rc =
        tensor ? ptd_show_tensor(dir, tensor, opt.generation, flags) : ptd_show_store(dir, flags);
    ptd_stdout_flush();
    if (rc < 0) ptd_die_last();
    return PTD_OK;
}

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- a page ---- */

static void refuse_with_page(void)
{
    if (opt.pretty || opt.text || opt.full || opt.check || opt.count || opt.copy ||
        opt.generation >= 0)
        ptd_misuse("--html goes with --head alone");
    if (ptd_terminal(1)) ptd_misuse("--html to a terminal, expected a file: > page.html");
}

/* What is to be shown: a store, or a stream with its descriptor. */
struct shown {
    const char *path;
    int fd; /* -1: a store */
};

static struct shown open_shown(const char *path)
{
    struct shown s = {path, -1};
    if (strcmp(path, "-") != 0 && is_folder(path)) return s;
    if (strcmp(path, "-") == 0 && ptd_terminal(0))
        ptd_misuse("standard input is a terminal; name a stream or a store");
    s.fd = strcmp(path, "-") == 0 ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    if (s.fd < 0) ptd_die(PTD_NOINPUT, "%s:", path);
    return s;
}

static char *title_of(const struct shown *all, int n)
{
    char *title = NULL;
    for (int i = 0; i < n; i++) {
        char *longer = ptd_format("%s%s%s", title ? title : "", title ? ", " : "", all[i].path);
        free(title);
        title = longer;
    }
    return title;
}

/* The page is whole whatever its streams are; what is wrong with the first that is not, malloc'd,
 * and *status; NULL: nothing is. */
static char *put_page(struct ptd_page *p, const struct shown *all, int n, int *status)
{
    char *why = NULL;
    for (int i = 0; i < n; i++)
        if (all[i].fd < 0) ptd_page_tokens(p, all[i].path);
    for (int i = 0; i < n; i++) {
        int rc = all[i].fd < 0 ? ptd_page_store(p, all[i].path)
                               : ptd_page_stream(p, all[i].fd, all[i].path, opt.head);
        if (rc < 0 && why) ptd_warn("%s", ptd_failed_message());
        if (rc == 0 || why) continue;
        why = ptd_strdup(ptd_failed_message());
        *status = ptd_failed_status();
    }
    return why;
}

static int dump_page(const char *const *paths, int n)
{
    struct shown *all = ptd_array((size_t)n, sizeof *all);
    refuse_with_page();
    for (int i = 0; i < n; i++) all[i] = open_shown(paths[i]);
    char *title = title_of(all, n);
    struct ptd_page *p = ptd_page_open(stdout, title);
    int status = PTD_OK;
    char *why = put_page(p, all, n, &status);
    ptd_page_close(p);
    ptd_stdout_flush();
    free(title);
    free(all);
    if (!why) return PTD_OK;
    ptd_fail(status, "%s", why);
    free(why);
    ptd_die_last();
}

int main(int argc, char **argv)
{
    static const char *const input[] = {"-"};
    int first = ptd_opt_parse(&usage, argc, argv);
    if (opt.html && first == argc) return dump_page(input, 1);
    if (opt.html) return dump_page((const char *const *)argv + first, argc - first);
    const char *path = first < argc ? argv[first] : "-",
               *tensor = first + 1 < argc ? argv[first + 1] : NULL;
    if (first + 2 < argc) ptd_misuse("unexpected operand \"%.64s\"", argv[first + 2]);
    if (strcmp(path, "-") != 0 && is_folder(path)) return dump_store(path, tensor);
    if (opt.copy && (strcmp(path, "-") == 0 || access(path, F_OK) == 0))
        ptd_misuse("--copy is for a store, and %.64s is none",
                   strcmp(path, "-") ? path : "standard input");
    if (tensor) ptd_misuse("\"%.64s\": only a store has tensors, and %.64s is none", tensor, path);
    if (strcmp(path, "-") == 0 && ptd_terminal(0))
        ptd_misuse("standard input is a terminal; name a stream or a store");
    int fd = strcmp(path, "-") == 0 ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) ptd_die(PTD_NOINPUT, "%s:", path);
    return dump_stream(fd, path);
}
