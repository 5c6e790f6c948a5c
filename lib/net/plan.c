/* plan: see plan.h. */
#include "net/plan.h"
#include "base/dtype.h"
#include "base/output.h"
#include "base/room.h"
#include "base/size.h"
#include "base/threads.h"
#include "net/encoder.h"
#include "net/head.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM     ((size_t)5 << 19) /* libraries and their tables, measured */
#define BLAS_THREAD ((size_t)1 << 20) /* OpenBLAS's own rows, a thread, measured */

/* ---- options ---- */

static _Noreturn void misread(const char *item)
{
    ptd_misuse("--expect \"%s\": expected prompts=N, prompt=N, answers=NxN, picture=WxH", item);
}

/* "8x256" or, where no second number is wanted, "8". */
static void numbers(const char *item, const char *text, long *a, long *b)
{
    int end = 0;
    int got = b ? sscanf(text, "%9ldx%9ld%n", a, b, &end) : sscanf(text, "%9ld%n", a, &end);
    if (got != (b ? 2 : 1) || text[end] || *a < 1 || (b && *b < 1)) misread(item);
}

static void expect(struct ptd_expected *e, const char *item)
{
    const char *value = strchr(item, '=');
    size_t len = value ? (size_t)(value - item) : 0;
    const struct {
        const char *name;
        long *a, *b;
    } names[] = {{"prompts", &e->prompts, NULL},
                 {"prompt", &e->prompt, NULL},
                 {"answers", &e->answers, &e->answer},
                 {"picture", &e->width, &e->height}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (len == strlen(names[i].name) && !strncmp(item, names[i].name, len)) {
            numbers(item, value + 1, names[i].a, names[i].b);
            return;
        }
    misread(item);
}

void ptd_plan_read(struct ptd_plan_asked *asked)
{
    char *copy = ptd_strdup(asked->expect ? asked->expect : ""), *rest = copy, *item;
    while ((item = strsep(&rest, ",")))
        if (*item) expect(&asked->expected, item);
    free(copy);
    asked->print |= asked->json;
}

size_t ptd_plan_room(const struct ptd_plan_asked *asked)
{
    return asked->room ? (size_t)asked->room : ptd_room_left();
}

/* ---- packing ---- */

void ptd_plan_see(const struct ptd_expected *e, long prompts, const struct ptd_model *m,
                  struct ptd_shape *s)
{
    const struct ptd_config *c = &m->config;
    long each = (e->height / c->v_patch) * (e->width / c->v_patch);
    int alone = ptd_encoder_serves(m);
    s->image_rows = prompts * each / (c->v_merge * c->v_merge);
    s->patches = alone ? 0 : prompts * each;
    s->alone = alone ? each : 0;
}

/* As learn.c packs, answers being at most as long as expected: a micro-batch that has almost
 * `micro` rows gets one more group, and is cut where it would have twice as many. Its prompts. */
static long pack(const struct ptd_expected *e, long micro, struct ptd_shape *s)
{
    long n = e->answer > 1 ? e->answer - 1 : 0, group = e->prompt + e->answers * n;
    long rows = micro - 1 + group < 2 * micro ? micro - 1 + group : 2 * micro;
    if (e->prompts && rows > e->prompts * group) rows = e->prompts * group;
    if (rows < e->prompt + n) rows = e->prompt + n;
    long prompts = (rows + group - 1) / group;
    *s = (struct ptd_shape){.rows = rows, .targets = rows - prompts * (e->prompt - e->answers)};
    if (s->targets < 1) s->targets = 1;
    if (s->targets > rows + e->answers) s->targets = rows + e->answers;
    return prompts;
}

void ptd_plan_pack(const struct ptd_expected *e, long micro, const struct ptd_model *m,
                   struct ptd_shape *s)
{
    *s = (struct ptd_shape){.rows = 2 * micro, .targets = 2 * micro};
    if (e->prompt) ptd_plan_see(e, pack(e, micro, s), m, s);
}

/* ---- parts ---- */

static struct ptd_plan_part *part_of(struct ptd_plan *p, const char *part, int card)
{
    int i = 0;
    while (i < p->n && (p->part[i].card != card || strcmp(p->part[i].name, part))) i++;
    if (i == PTD_PLAN_PARTS) ptd_die(PTD_BUG, "a plan of more than %d parts", PTD_PLAN_PARTS);
    if (i == p->n) p->part[p->n++] = (struct ptd_plan_part){.name = part, .card = card};
    return &p->part[i];
}

void ptd_plan_add(struct ptd_plan *p, const char *part, size_t bytes)
{
    part_of(p, part, 0)->bytes += bytes;
}

static int is_card(struct ptd_plan *p, struct ptd_device *d)
{
    if (!d->ops->room) return 0;
    if (!p->card) p->card_room = ptd_device_room(d);
    p->card = d->name;
    return 1;
}

void ptd_plan_take(struct ptd_plan *p, struct ptd_device *d, const char *part, size_t bytes)
{
    part_of(p, part, is_card(p, d))->bytes += bytes;
}

void ptd_plan_share(struct ptd_plan *p, const char *part, size_t bytes)
{
    struct ptd_plan_part *at = part_of(p, part, 0);
    at->bytes += bytes;
    at->shared = 1;
}

void ptd_plan_program(struct ptd_plan *p, int threads)
{
    ptd_plan_add(p, "program and libraries", PROGRAM + (size_t)threads * BLAS_THREAD);
}

void ptd_plan_tokenizer(struct ptd_plan *p, const struct ptd_tokenizer *t)
{
    ptd_plan_add(p, "tables", ptd_tokenizer_memory(t));
}

void ptd_plan_groups(struct ptd_plan *p, const struct ptd_expected *e, size_t bytes)
{
    size_t tokens = (size_t)e->prompts * e->answers * e->answer,
           pixels = 3 * (size_t)e->prompts * e->width * e->height;
    ptd_plan_add(p, "groups of a step", tokens * bytes + pixels);
}

static int dtype_of(const struct ptd_tensor_about *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].name, name)) return list[i].dtype;
    return PTD_F32;
}

/* Whether a frozen matrix is read where the store maps it; the first one speaks for all. */
static int is_mapped(const struct ptd_model *m, struct ptd_store *store)
{
    struct ptd_mapped map;
    int i = 0, r;
    while (i < m->n_params && (m->params[i].trained || !m->params[i].matrix)) i++;
    if (i == m->n_params || !m->device->is_host) return 0;
    r = ptd_store_map(store, 0, m->params[i].name, &map);
    if (!r) ptd_mapped_clear(&map);
    return !r;
}

int ptd_plan_weights(struct ptd_plan *p, const struct ptd_model *m, struct ptd_store *store,
                     int learns)
{
    struct ptd_tensor_about *list;
    int n, mapped = is_mapped(m, store);
    size_t matrices = 0, others = 0;
    if (ptd_store_list(store, 0, &list, &n)) return -1;
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *q = &m->params[i];
        int halves = q->matrix && dtype_of(list, n, q->name) == PTD_BF16;
        if (!q->trained)
            *(q->matrix ? &matrices : &others) += q->n * (halves ? 2 : m->device->num_size);
    }
    ptd_store_list_free(list, n);
    if (m->n_weights) ptd_plan_take(p, m->device, "weights that move", ptd_model_weight_bytes(m));
    if (mapped && matrices) ptd_plan_share(p, "weights mapped", matrices);
    if (!mapped) others += matrices;
    if (others) ptd_plan_take(p, m->device, "frozen weights", others);
    if (learns)
        ptd_plan_take(p, m->device, "gradients", ptd_model_gradients(m) * m->device->acc_size);
    return 0;
}

static struct ptd_batch *batch_of(struct ptd_model *m, const struct ptd_shape *s)
{
    struct ptd_batch *b = ptd_batch_new(m);
    b->n = s->rows;
    b->targets = s->targets;
    b->n_image_rows = s->image_rows;
    b->n_patches = s->patches;
    return b;
}

size_t ptd_plan_pool(struct ptd_model *m, int keep, const struct ptd_shape *s)
{
    static const int32_t asked; /* nobody looks which */
    struct ptd_batch *b = batch_of(m, s);
    b->keep = keep;
    if (!keep && s->targets) ptd_batch_ask(b, &asked, s->targets);
    size_t bytes = ptd_batch_bytes(b);
    ptd_batch_free(b);
    /* of a card a chunk is taken whole, of the host what is touched of it */
    if (bytes && bytes < PTD_POOL_LEAST && m->device->ops->room) bytes = PTD_POOL_LEAST;
    return bytes;
}

int ptd_plan_keep(struct ptd_model *m, const struct ptd_shape *s, size_t most)
{
    struct ptd_batch *b = batch_of(m, s);
    ptd_batch_fit(b, most);
    int keep = b->keep;
    ptd_batch_free(b);
    return keep;
}

/* One picture by a tower of its own, and the rows of all. */
static size_t alone_bytes(struct ptd_model *m, const struct ptd_shape *s)
{
    const struct ptd_config *c = &m->config;
    struct ptd_shape one = {.patches = s->alone,
                            .image_rows = s->alone / (c->v_merge * c->v_merge)};
    size_t row = (1 + (size_t)c->n_deepstack) * c->hidden * sizeof(float);
    return ptd_plan_pool(m, 0, &one) + (s->image_rows + one.image_rows) * row;
}

void ptd_plan_pictures(struct ptd_plan *p, struct ptd_model *m, const struct ptd_shape *s)
{
    const struct ptd_config *c = &m->config;
    size_t patch =
        (size_t)c->v_channels * c->v_temporal * c->v_patch * c->v_patch + c->v_hidden / c->v_heads;
    ptd_plan_add(p, "pictures", (s->patches + s->alone) * patch * sizeof(float));
    if (s->alone) ptd_plan_take(p, m->device, "pictures", alone_bytes(m, s));
}

/* As the plugin keeps it for the next time: a quarter more (cuda/driver.cu). */
static size_t kept(size_t bytes)
{
    return bytes ? bytes + bytes / 4 + 4096 : 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Numbers of another format, on their way: a piece of the largest parameter, or the gradient of a
 * layer's input, which several matrices add to. */
static size_t wide_bytes(const struct ptd_model *m, int keep, const struct ptd_shape *s)
{
    size_t most = 0;
    if (m->device->num == PTD_F32) return 0;
    for (int i = 0; i < m->n_params; i++) most = larger(most, m->params[i].n);
    if (most > (size_t)1 << 22) most = (size_t)1 << 22;
    return larger(most, keep ? (size_t)s->rows * m->config.hidden : 0) * sizeof(float);
}

void ptd_plan_operations(struct ptd_plan *p, struct ptd_model *m, int keep,
                         const struct ptd_shape *s)
{
    const struct ptd_config *c = &m->config;
    size_t logits = ptd_lm_head_bytes(m->device, c->vocab, s->targets), bytes;
    if (!is_card(p, m->device)) return;
    bytes = kept(wide_bytes(m, keep, s));
    if (keep) bytes += kept((size_t)s->rows * c->heads * sizeof(float)); /* attention's */
    if (keep && m->device->num != PTD_F32) bytes += kept(logits / 2);    /* their gradient */
    struct ptd_plan_part *at = part_of(p, "operations", 1);
    at->bytes = larger(at->bytes, bytes);
}

void ptd_plan_activations(struct ptd_plan *p, struct ptd_model *m, int keep,
                          const struct ptd_shape *s)
{
    const struct ptd_config *c = &m->config;
    ptd_plan_take(p, m->device, "activations", ptd_plan_pool(m, keep, s));
    ptd_plan_take(p, m->device, "head", ptd_lm_head_bytes(m->device, c->vocab, s->targets));
    ptd_plan_operations(p, m, keep, s);
    ptd_plan_add(p, "tables", (size_t)s->rows * c->head_dim * sizeof(float));
    ptd_plan_pictures(p, m, s);
}

int ptd_plan_start(struct ptd_model *m, struct ptd_store *store, size_t room, size_t *left)
{
    struct ptd_plan p = {0};
    ptd_plan_program(&p, ptd_threads_count());
    if (ptd_plan_weights(&p, m, store, 0)) return -1;
    if (ptd_plan_check(&p, room, "more memory, or a smaller model")) return -1;
    *left = ptd_plan_left(&p, room);
    return 0;
}

/* ---- all ---- */

static int counts(const struct ptd_plan_part *part, int card)
{
    return !part->shared && part->card == card;
}

static size_t sum_of(const struct ptd_plan *p, int card)
{
    size_t sum = 0;
    for (int i = 0; i < p->n; i++)
        if (counts(&p->part[i], card)) sum += p->part[i].bytes;
    return sum;
}

size_t ptd_plan_sum(const struct ptd_plan *p)
{
    return sum_of(p, 0);
}

size_t ptd_plan_card_sum(const struct ptd_plan *p)
{
    return sum_of(p, 1);
}

size_t ptd_plan_left(const struct ptd_plan *p, size_t room)
{
    size_t there = p->card ? p->card_room : room, sum = sum_of(p, p->card != NULL);
    if (there == SIZE_MAX) return there;
    return there > sum ? there - sum : 0;
}

static int fits(const struct ptd_plan *p, size_t room)
{
    return sum_of(p, 0) <= room && (!p->card || sum_of(p, 1) <= p->card_room);
}

static void print_members(const struct ptd_plan *p, int card, size_t room)
{
    for (int i = 0; i < p->n; i++)
        if (p->part[i].card == card) printf("\"%s\":%zu,", p->part[i].name, p->part[i].bytes);
    if (room != SIZE_MAX) printf("\"there\":%zu,", room);
    printf("\"sum\":%zu", sum_of(p, card));
}

static void print_json(const struct ptd_plan *p, size_t room)
{
    printf("{");
    print_members(p, 0, room);
    if (p->card) {
        printf(",\"card\":{\"device\":\"%s\",", p->card);
        print_members(p, 1, p->card_room);
        printf("}");
    }
    printf("}\n");
}

static void print_size(const char *name, size_t bytes, const char *note)
{
    printf("%-26s %10s%s\n", name, ptd_size((double)bytes).text, note);
}

static void print_lines(const struct ptd_plan *p, int card, size_t room)
{
    for (int i = 0; i < p->n; i++)
        if (p->part[i].card == card)
            print_size(p->part[i].name, p->part[i].bytes,
                       p->part[i].shared ? "  shared, not in the sum" : "");
    print_size("sum", sum_of(p, card), "");
    if (room != SIZE_MAX) print_size("there is", room, "");
}

void ptd_plan_print(const struct ptd_plan *p, size_t room, int json)
{
    if (json) {
        print_json(p, room);
        return;
    }
    print_lines(p, 0, room);
    if (!p->card) return;
    printf("\nof device %s:\n", p->card);
    print_lines(p, 1, p->card_room);
}

static int check(const struct ptd_plan *p, int card, size_t room, const char *instead)
{
    size_t sum = sum_of(p, card);
    const struct ptd_plan_part *most = NULL;
    if (sum <= room) return 0;
    for (int i = 0; i < p->n; i++)
        if (counts(&p->part[i], card) && (!most || p->part[i].bytes > most->bytes))
            most = &p->part[i];
    return ptd_fail(
        PTD_OSERR, "this takes %s of memory%s%s, most of it %s (%s), and there are %s: expected %s",
        ptd_size((double)sum).text, card ? " of device " : "", card ? p->card : "", most->name,
        ptd_size((double)most->bytes).text, ptd_size((double)room).text, instead);
}

int ptd_plan_check(const struct ptd_plan *p, size_t room, const char *instead)
{
    if (check(p, 0, room, instead)) return -1;
    return p->card ? check(p, 1, p->card_room, instead) : 0;
}

/* What would fit, malloc'd. */
static char *fitting(const struct ptd_plan *fixed, size_t room,
                     const struct ptd_plan_choice *choices, const char *beyond)
{
    for (const struct ptd_plan_choice *c = choices; c->option; c++)
        for (int64_t n = c->from; n >= c->least && n > 0; n /= 2) {
            struct ptd_plan p = *fixed;
            c->parts(c->ctx, n, &p);
            if (fits(&p, room)) return ptd_format("%s %lld", c->option, (long long)n);
        }
    return ptd_strdup(beyond);
}

int ptd_plan_judge(const struct ptd_plan *all, const struct ptd_plan *fixed, size_t room,
                   const struct ptd_plan_choice *choices, const char *beyond)
{
    if (fits(all, room)) return 0;
    char *instead = fitting(fixed, room, choices, beyond);
    int r = ptd_plan_check(all, room, instead);
    free(instead);
    return r;
}

_Noreturn void ptd_plan_tell(const struct ptd_plan *all, const struct ptd_plan *fixed,
                             const struct ptd_plan_asked *asked,
                             const struct ptd_plan_choice *choices, const char *beyond)
{
    size_t room = ptd_plan_room(asked);
    ptd_plan_print(all, room, asked->json);
    ptd_stdout_flush();
    if (ptd_plan_judge(all, fixed, room, choices, beyond)) ptd_die_last();
    exit(0);
}
