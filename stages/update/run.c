/* A run, from its stream and store to its first step. */
#include "update/update.h"
#include "base/command.h"
#include "base/launched.h"
#include "base/output.h"
#include "method/preset.h"
#include "method/privileged.h"
#include "method/settings.h"
#include "method/source.h"
#include "method/worth.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A method is half of ptd-verify's. */
static void compare_method(const struct ptd_head *h)
{
    const char *wants = opt.method ? ptd_preset(opt.method, "advantage") : NULL;
    const struct ptd_advantage *a = wants ? ptd_worth_noted(h) : NULL;
    if (a && strcmp(a->is.name, wants) != 0)
        ptd_warn("--method %s goes with ptd-verify --method %s, whose --advantage is %s; the "
                 "stream's is %s",
                 opt.method, opt.method, wants, a->is.name);
}

/* Why advantages cannot be made anew of what is in the stream, or NULL. */
static const char *worth_lacks(const struct run *r, const struct ptd_advantage *a)
{
    if (a->parts) return "the parts of rewards are not in the stream";
    if (ptd_privileged_noted(&r->head)) return "responses of ptd-rollout --privileged have none";
    if (!a->baseline && ptd_worth_leaves_cut(&r->head))
        return "ptd-verify --overlong-filter has left some responses out of the stream";
    return NULL;
}

/* Advantages that compare a whole step are made anew by those who have all of it. */
static void take_advantage(struct run *r)
{
    const struct ptd_advantage *a =
        r->comm && !opt.rules.loss->supervised ? ptd_worth_noted(&r->head) : NULL;
    if (!a || !a->step) return;
    const char *lack = worth_lacks(r, a);
    if (lack)
        ptd_die(PTD_CONFIG,
                "--advantage %s compares all responses of a step, and rank %d of %d cannot: %s",
                a->is.name, ptd_comm_rank(r->comm), ptd_comm_ranks(r->comm), lack);
    r->advantage = a;
}

static void take_advantage_less_kl(struct run *r)
{
    const char *lack;
    if (!opt.rules.kl_in_reward) return;
    if (!(r->advantage = ptd_worth_noted(&r->head))) ptd_die_last();
    if ((lack = worth_lacks(r, r->advantage)))
        ptd_misuse(
            "--kl-in reward: --advantage %s cannot be worked out anew: %s: expected another, "
            "or --kl-in loss",
            r->advantage->is.name, lack);
}

/* What the loss needs to know of it. */
static void read_head(struct run *r)
{
    if (!opt.rules.loss->supervised) compare_method(&r->head);
    take_advantage(r);
    take_advantage_less_kl(r);
    opt.rules.length = opt.length ? opt.length : r->head.max_tokens;
    if (opt.rules.aggregate == PTD_BY_CONSTANT && !(opt.rules.length > 0))
        ptd_misuse("--aggregate constant: the stream names no limit of responses: give --length");
}

static void open_reference(struct run *r)
{
    if (!reads_reference()) return;
    if (!(r->frozen = ptd_teacher_open(r->train->store, "frozen", r->device)) ||
        ptd_teacher_seek(r->frozen, 0) || ptd_teacher_load(r->frozen, &opt.plan))
        ptd_die_last();
    r->reference.score = r->frozen->score;
    opt.rules.reference = &r->reference;
}

/* The other ranks, and the generation to go on from, before any program of the pipe asks for it. */
static void open_ranks(struct run *r)
{
    const char *store = opt.store ? opt.store : ptd_launched_store(NULL);
    if (ptd_ranks_open(&opt.ranks)) ptd_die_last();
    r->comm = opt.ranks.comm;
    ptd_comm_on_end(r->comm, on_others_end, r);
    if (ptd_ranks_agree(&opt.ranks, store)) ptd_die_last();
    ptd_gate_open();
    opt.train.can_go_back = r->comm != NULL;
    if (!r->comm || !opt.ranks.share) return;
    opt.train.optimizer.rank = ptd_comm_rank(r->comm);
    opt.train.optimizer.ranks = ptd_comm_ranks(r->comm);
}

/* Our share, if the stream is one, is that of our rank. */
static void check_share(const struct run *r)
{
    const struct ptd_head *h = &r->head;
    int rank = ptd_comm_rank(r->comm), ranks = ptd_comm_ranks(r->comm);
    if (h->shares < 2 || (h->share == rank && h->shares == ranks)) return;
    ptd_die(PTD_CONFIG, "%s: has share %d of %d of each step, expected that of rank %d of %d",
            ptd_reader_name(r->in), h->share, h->shares, rank, ranks);
}

void join_sums(struct run *r)
{
    if (!r->comm) return;
    opt.rules.comm = r->comm;
    opt.rules.last = opt.train.by_part ? NULL : ptd_gradients_last;
    opt.rules.last_ctx = r->gradients;
}

/* The cards find each other. */
static void open_cards(struct run *r)
{
    if (!r->comm || !ptd_ranks_on_cards(&opt.ranks, r->device)) return;
    if (!(r->cards = ptd_cards_open(r->comm))) ptd_die_last();
}

/* Options that decide no number, but which steps there are and what is kept of them. */
static char *manner(const struct run *r)
{
    return ptd_format("{\"steps\":%lld,\"publish_every\":%d,\"keep\":%d,\"max_bad_steps\":%d}",
                      (long long)r->head.steps, opt.train.every, opt.train.keep, opt.max_bad);
}

/* The ranks must be the same. */
static void join_ranks(struct run *r)
{
    struct ptd_optimizer_rules *rules = ptd_optimizer_rules(r->train->optimizer);
    if (!r->comm) return;
    char *kept = manner(r);
    struct ptd_ranks_own own = {r->train->store, r->train->generation, r->train->settings, kept};
    if (ptd_ranks_compare(&opt.ranks, &own)) ptd_die_last();
    free(kept);
    r->gradients = ptd_gradients_new(r->train->model, r->comm, opt.ranks.form, opt.ranks.share);
    ptd_gradients_on_cards(r->gradients, r->cards);
    rules->total = ptd_gradients_total;
    rules->spread = ptd_gradients_spread;
    ptd_worth_over(r->comm);
    rules->order = ptd_gradients_order(r->gradients);
    rules->sum_ctx = r->gradients;
    if (opt.train.by_part) rules->sum = ptd_gradients_part;
    join_sums(r);
    ptd_ranks_listen(&opt.ranks, &r->head);
}

/* Is path the file that is read, by its name or as standard input? */
static int is_input(const char *path, const char *operand)
{
    struct stat x, y;
    int got = operand && strcmp(operand, "-") ? stat(operand, &y) : fstat(0, &y);
    return got == 0 && stat(path, &x) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static void open_trace(struct run *r, const char *operand, int argc, char **argv)
{
    if (!opt.trace) return;
    if (is_input(opt.trace, operand))
        ptd_misuse("--trace %.64s is the stream that is read: expected another file", opt.trace);
    char *command = ptd_command_line(argc, argv);
    int rank = ptd_comm_rank(r->comm); /* each traces its own share */
    char *path = rank ? ptd_format("%s.%d", opt.trace, rank) : ptd_strdup(opt.trace);
    if (!(r->trace = ptd_trace_open(path, &r->head, command))) ptd_die_last();
    free(path);
    free(command);
}

void open_run(struct run *r, const char *operand, int argc, char **argv)
{
    const char *store;
    char *settings;
    ptd_progress_join();
    open_ranks(r);
    r->in = ptd_input_open(operand, &r->head);
    if (!r->head.mode || strcmp(r->head.mode, "train"))
        ptd_die(
            PTD_CONFIG,
            "%s: an evaluation stream (--greedy or --generation): expected one made for training",
            ptd_reader_name(r->in));
    if (ptd_head_check_temperature(&r->head))
        ptd_die(PTD_DATAERR, "%s: %s", ptd_reader_name(r->in), ptd_failed_message());
    store = opt.store ? opt.store : ptd_launched_store(r->head.store);
    if (!store) ptd_misuse("the stream names no store: give one with --store");
    ptd_board_store(store);
    check_share(r);
    read_head(r);
    if (!(r->device = ptd_device_open(opt.device))) ptd_die_last();
    ptd_streams_leave(r->device);
    open_cards(r);
    settings = ptd_settings_text(&(struct ptd_settings){.head = &r->head,
                                                        .device = r->device,
                                                        .rules = &opt.rules,
                                                        .train = &opt.train,
                                                        .schedule = opt.schedule,
                                                        .words = opt.words,
                                                        .updates = opt.updates,
                                                        .epochs = opt.epochs,
                                                        .steered = &opt.steered,
                                                        .lambda = &opt.lambda,
                                                        .tis = opt.tis,
                                                        .ranks = ptd_comm_ranks(r->comm),
                                                        .on_cards = r->cards != NULL,
                                                        .reduce = opt.ranks.reduce});
    opt.train.optimizer.seed = (uint64_t)r->head.seed;
    opt.train.before = before_memory;
    opt.train.ctx = r;
    opt.train.waits = r->head.waits;
    opt.train.base = getenv("PTD_STORES");
    r->train = ptd_train_open(store, &opt.train, settings, opt.anyway, r->device);
    free(settings);
    if (!r->train) ptd_die_last();
    r->train->method = opt.method;
    if (opt.steered.target <= 0)
        r->train->kl_coef = -1;
    else if (r->train->kl_coef >= 0)
        opt.rules.beta = r->train->kl_coef;
    opt.rules.banned = ptd_model_banned(r->train->model, ptd_tokenizer_size(r->tokenizer));
    opt.rules.temperature = r->head.temperature;
    r->score = ptd_score_new(r->train->model, PTD_KEEP_ALL);
    open_reference(r);
    bound_activations(r);
    r->ground = (struct ptd_ground){
        .tokenizer = r->tokenizer, .banned = opt.rules.banned, .weight = opt.words};
    if (opt.words > 0 && opt.rules.loss->supervised) opt.rules.ground = &r->ground;
    r->first = r->train->generation;
    if (r->head.first_step != r->first + 1)
        ptd_die(PTD_CONFIG, "%s: stream starts at step %lld, expected %lld, the next of %s",
                ptd_reader_name(r->in), (long long)r->head.first_step, (long long)r->first + 1,
                store);
    join_ranks(r);
    open_trace(r, operand, argc, argv);
}

void close_run(struct run *r)
{
    ptd_cards_close(r->cards);
    if (ptd_reader_close(r->in) || ptd_trace_close(r->trace) || ptd_ranks_close(&opt.ranks))
        ptd_die_last();
}

void clear_run(struct run *r)
{
    ptd_shares_clear(&r->shares);
    ptd_gradients_free(r->gradients);
    ptd_score_free(r->score);
    ptd_reference_clear(&r->reference);
    ptd_teacher_close(r->frozen);
    ptd_teacher_close(r->teacher);
    ptd_tokenizer_free(r->tokenizer);
    free(r->ground.words);
    ptd_train_close(r->train);
    ptd_device_close(r->device);
    ptd_head_clear(&r->head);
    free((void *)opt.rules.banned);
    free(r->lines);
    ptd_before_clear(&r->before);
    free(r->step.held);
    free(r->step.groups);
}
