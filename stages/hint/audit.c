/* --audit: whether hints tell, measured on a sample. */
#include "hint/hint.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/threads.h"
#include "method/hint/audit.h"
#include "view/audit.h"
#include "view/show.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ptd_progress progress;
static struct ptd_audit *the_audit;

static void tell(const void *ctx)
{
    char words[256];
    ptd_progress_words(&progress, NULL, words, sizeof words);
    ptd_tell("%s", progress.what ? words : "starting");
}

static void open_audit(struct ptd_audit_view *v)
{
    ptd_threads_start(0);
    opt.tools.memory = opt.plan.room;
    opt.tools.data = v->data;
    opt.tools.max_tokens = v->max_tokens;
    opt.tools.temperature = v->temperature;
    opt.hint.weigh.seed = (uint64_t)opt.audit_seed;
    if (open_eye() < 0) ptd_die_last();
    struct ptd_audit_options o = {
        .answers = v->answers = opt.answers,
        .max_tokens = v->max_tokens,
        .temperature = v->temperature,
        .seed = (uint64_t)(v->seed = opt.audit_seed),
        .rules = {.set = ptd_judge_defaults, .thought_open = opt.tools.config.thinking}};
    if (ptd_reward_rules_parse(&o.rules, "auto", opt.judge, "boxed") < 0) ptd_die_last();
    opt.hints = ptd_hints_open(&opt.tools, opt.from, &opt.hint);
    if (!opt.hints || !(opt.tools.device = ptd_device_open(opt.device))) ptd_die_last();
    ptd_hint_eye(&opt.tools);
    the_audit = ptd_audit_open(&opt.tools, opt.hints, &o);
    if (!the_audit) ptd_die_last();
}

/* 1: there may be more to measure, 0: enough, -1 failure. */
static int audit_group(struct ptd_group *g)
{
    if (progress.done >= opt.sample) return 0;
    int added = chosen(g) ? ptd_audit_add(the_audit, g) : 0;
    if (added > 0) ptd_progress_set(&progress, progress.done + 1, NULL);
    return added < 0 ? -1 : 1;
}

static int of_data_set(void)
{
    return opt.system || opt.max_pixels || opt.min_pixels;
}

static void audit_stream(const char *operand, struct ptd_audit_view *v)
{
    if (of_data_set())
        ptd_misuse("--system, --max-pixels and --min-pixels go with a data set: a stream has its "
                   "prompts and pictures");
    static struct ptd_head h;
    struct ptd_group g = {0};
    struct ptd_frame f;
    int got;
    struct ptd_reader *r = ptd_input_open(operand, &h);
    v->store = opt.store ? opt.store : h.store;
    v->data = h.data;
    v->max_tokens = opt.max_tokens ? opt.max_tokens : h.max_tokens > 0 ? h.max_tokens : 64;
    v->temperature = opt.temperature > 0 ? opt.temperature : h.temperature > 0 ? h.temperature : 1;
    if (ptd_hint_tools_open(&opt.tools, v->store) < 0) ptd_die_last();
    open_audit(v);
    ptd_progress_start(&progress, "groups", 0, (long)opt.sample);
    while ((got = ptd_reader_next(r, &f)) > 0)
        if (f.kind == PTD_GROUP &&
            (ptd_group_read(&g, f.body, f.body_len) < 0 || audit_group(&g) < 0)) {
            ptd_reader_blame(r, &f);
            ptd_die_last();
        }
    if (got < 0 || ptd_reader_close(r) < 0) ptd_die_last();
    ptd_group_clear(&g);
}

static void audit_data(const char *path, struct ptd_audit_view *v)
{
    static struct ptd_source src;
    struct ptd_group g = {0};
    if (!opt.store) ptd_misuse("--audit of a data set: expected --store too");
    if (ptd_source_open(&src, opt.store, path, &opt.places) < 0 ||
        ptd_source_system(&src, opt.system) < 0 ||
        ptd_source_pixels(&src, opt.max_pixels, opt.min_pixels) < 0)
        ptd_die_last();
    v->store = opt.store;
    v->data = path;
    v->max_tokens = opt.max_tokens ? opt.max_tokens : 64;
    v->temperature = opt.temperature > 0 ? opt.temperature : 1;
    opt.tools = (struct ptd_hint_tools){
        .store = src.store, .config = src.config, .tokenizer = src.tokenizer};
    open_audit(v);
    long rows = ptd_dataset_rows(src.data);
    ptd_progress_start(&progress, "groups", 0, opt.sample < rows ? (long)opt.sample : rows);
    for (long i = 0, more = 1; i < rows && more; i++) {
        int row = ptd_dataset_order(src.data, (uint64_t)opt.audit_seed, i);
        if (ptd_source_group(&src, row, 1, &g) < 0) ptd_die_last();
        if ((more = audit_group(&g)) < 0) ptd_dataset_blame(src.data, row), ptd_die_last();
    }
    ptd_group_clear(&g);
    ptd_dataset_close(src.data);
}

/* A regular file that begins as rows of a data set do: no stream begins so. */
static int is_data(const char *path)
{
    unsigned char first[64];
    struct stat st;
    if (!path || stat(path, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, first, sizeof first), i = 0;
    if (fd >= 0) close(fd);
    while (i < n && strchr(" \t\r\n", first[i]) && first[i]) i++;
    return i < n && (first[i] == '{' || first[i] == '[' || first[i] == 0xef);
}

/* A reference that knows nothing proves nothing. */
static void warn_of_nothing_right(void)
{
    double right = 0;
    for (int i = 0; i < ptd_audit_rows(the_audit); i++) {
        const struct ptd_audit_row *r = ptd_audit_row(the_audit, i);
        right += r->kept.blind.x + r->kept.blind.y + r->kept.seeing.x + r->kept.seeing.y +
                 r->told.blind.x + r->told.blind.y + r->told.seeing.x + r->told.seeing.y;
    }
    if (right <= 0)
        ptd_warn("no answer of the reference is right under any view: nothing can be seen to tell");
}

static int audit_end(const struct ptd_audit_view *v)
{
    int telling = 0;
    struct ptd_audit_counts n = ptd_audit_counted(the_audit);
    ptd_progress_clear(&progress);
    if (n.groups == 0)
        ptd_die(PTD_DATAERR,
                "nothing to measure: %ld groups without a picture, %ld without an answer: expected "
                "groups with both",
                n.without_picture, n.without_answer);
    if (!ptd_is_quiet()) ptd_audit_show_table(stderr, the_audit, v);
    warn_of_nothing_right();
    ptd_show_json(ptd_audit_show_json(the_audit, v), JSON_COMPACT | JSON_REAL_PRECISION(9));
    ptd_stdout_flush();
    for (int i = 0; i < ptd_audit_rows(the_audit); i++)
        telling += ptd_audit_tells(ptd_audit_row(the_audit, i)) > 0;
    ptd_info(
        "%ld groups measured, %ld without a picture, %ld without an answer, %d of %d sources tell, "
        "%.1f s",
        n.groups, n.without_picture, n.without_answer, telling, ptd_audit_rows(the_audit),
        ptd_now() - progress.started);
    ptd_audit_close(the_audit);
    finish(NULL);
    return telling ? PTD_VERDICT : PTD_OK;
}

int audit(const char *operand)
{
    struct ptd_audit_view v = {0};
    if (check_options(NULL)) ptd_die_last();
    if (opt.hint.gate) ptd_misuse("--gate: --audit measures all that a source says, without it");
    if (opt.model && strcmp(opt.model, "old") == 0)
        ptd_misuse("--model old: --audit asks the reference, expected another store or no --model");
    ptd_asked_heed(tell, NULL);
    if (is_data(operand))
        audit_data(operand, &v);
    else
        audit_stream(operand, &v);
    return audit_end(&v);
}
