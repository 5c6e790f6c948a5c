/* hint_attention: where the frozen reference model looks while it reads the private solution, as
 * boxes and words. Leaves text, checks and rendering to hint.c, and attention itself to the model.
 *
 * The model (generation 0 of the store) reads prompt and solution; each row's attention to the
 * picture's tokens is averaged over the chosen layers and heads. A token's score is its mean over
 * the solution's rows. Sinks, tokens that draw attention whatever is being read, are taken out
 * first: a token is one if even in the tenth part of all rows (question and solution) that look at
 * it least it gets more than `sink` times an even share. What is looked at because of what is being
 * said fails that test, for it is left alone while other things are said. Tokens whose score
 * exceeds `mass` times the mean become boxes (neighbours joined) and names of grid cells, in the
 * order in which attention to them peaks. The method words come from the data's steps that name no
 * cell. Of several pictures the one that is looked at most is taken.
 *
 * Three other scores, by option. --neutral TEXT: s / (n + m/10), where n is the attention while
 * TEXT is read in the question's place and m its mean: what is looked at whatever is asked counts
 * less (Zhang et al. 2025, arXiv 2502.17422). --blank: no attention at all, but what the right
 * answer's log-prob (weigh.h, of right responses or of the answer) loses when a cell of the grid is
 * painted over in the picture's mean colour; 0 where it gains. That needs no solution. */
#include "base/half.h"
#include "data/prompt.h"
#include "method/hint/attended.h"
#include "method/hint/blanked.h"
#include "method/hint/cell.h"
#include "method/hint/grid.h"
#include "method/hint/look.h"
#include "net/net.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOLUTION_MAX 4096 /* tokens read of a solution */

struct attention {
    struct ptd_hint_tools *tools; /* of who looks */
    struct ptd_hint_options options;
    int rows, columns;       /* of words */
    struct ptd_model *model; /* the tools'; NULL until the first hint */
    struct ptd_batch *batch;
    uint8_t *layers, *heads;
    struct ptd_weigh *weigh;       /* for --blank and --gradient, or NULL */
    struct ptd_attended *attended; /* for --gradient, or NULL */
};

/* What is known of one group while its hint is made. */
struct look {
    int n, first;         /* rows read after the pictures; the first of the solution */
    int tokens;           /* of all pictures */
    float *share;         /* [n, tokens] attention, later normalised by row without sinks */
    float *score;         /* [tokens] mean over the solution; 0 for sinks */
    const float *neutral; /* [tokens] that of the neutral question, or NULL */
    uint8_t *sink, *high; /* [tokens] */
    int from, R, C;       /* the chosen picture: its first token and its grid */
    int *cell;            /* [tokens] word cell of a high token, -1 otherwise */
};

/* ---- options and model ---- */

static int parse_grid(struct attention *a)
{
    struct ptd_hint_grid grid;
    if (ptd_hint_grid_parse(&grid, a->options.grid) < 0) return -1;
    a->rows = grid.rows;
    a->columns = grid.columns;
    return 0;
}

/* "0,2-3" as n flags, malloc'd; *out stays NULL (all) without a list. */
static int parse_list(const char *what, const char *list, int n, uint8_t **out)
{
    if (!list) return 0;
    *out = ptd_alloc((size_t)n);
    for (const char *s = list;;) {
        int from = ptd_hint_number(&s, n - 1), to = from;
        if (*s == '-') s++, to = ptd_hint_number(&s, n - 1);
        if (from < 0 || to < from || (*s && *s != ',')) break;
        memset(*out + from, 1, (size_t)(to - from + 1));
        if (!*s++) return 0;
    }
    return ptd_fail(PTD_USAGE, "--%s \"%s\": expected a list such as 0,2-3 of numbers up to %d",
                    what, list, n - 1);
}

static void close_attention(void *source)
{
    struct attention *a = source;
    ptd_batch_free(a->batch);
    ptd_weigh_close(a->weigh);
    ptd_attended_close(a->attended);
    free(a->layers);
    free(a->heads);
    free(a);
}

static int open_weigh(struct attention *a)
{
    struct ptd_weigh_rules r = a->options.weigh;
    if (!a->options.blank && !a->options.gradient) return 0;
    if (a->options.gradient) a->attended = ptd_attended_open(a->tools);
    if (r.by == PTD_BY_REPLY) r.by = PTD_BY_RIGHT;
    return (a->weigh = ptd_weigh_open(a->tools, &r)) ? 0 : -1;
}

static void *open_attention(struct ptd_hint_tools *tools, const struct ptd_hint_options *o,
                            const char *arg)
{
    (void)arg;
    struct ptd_hint_tools *t = ptd_hint_eye(tools);
    struct attention *a = ptd_alloc(sizeof *a);
    a->tools = t;
    a->options = *o;
    if (parse_grid(a) == 0 && parse_list("layers", o->layers, t->config.layers, &a->layers) == 0 &&
        parse_list("heads", o->heads, t->config.heads, &a->heads) == 0 && open_weigh(a) == 0)
        return a;
    close_attention(a);
    return NULL;
}

static int load_model(struct attention *a)
{
    if (!(a->model = ptd_hint_reference(a->tools))) return -1;
    a->batch = ptd_batch_new(a->model);
    return 0;
}

/* ---- reading ---- */

/* Tokens of the prompt up to and including the last picture; what follows is read as text that can
 * be watched. */
static int picture_end(const struct attention *a, const struct ptd_group *g)
{
    int n = g->n_prompt;
    while (n > 0 && g->prompt_ids[n - 1] != a->model->config.image_token) n--;
    return n;
}

static int check_ids(const struct attention *a, const struct ptd_group *g, int from)
{
    for (int i = from; i < g->n_prompt; i++)
        if (g->prompt_ids[i] < 0 || g->prompt_ids[i] >= a->model->config.vocab)
            return ptd_fail(PTD_DATAERR, "group \"%s\": prompt token %d is %d, expected 0..%d",
                            g->uid, i, g->prompt_ids[i], a->model->config.vocab - 1);
    return 0;
}

/* The rest of the question and `text`, malloc'd; *first is the text's first token. */
static int32_t *text_after(const struct attention *a, const struct ptd_group *g, const char *text,
                           int from, int *n, int *first)
{
    int32_t *behind = NULL, *ids;
    int len = ptd_tokenizer_encode_data(a->tools->tokenizer, text, strlen(text), &behind);
    if (len < 0) return NULL;
    if (len > SOLUTION_MAX) len = SOLUTION_MAX;
    *first = g->n_prompt - from;
    *n = *first + len;
    ids = ptd_array((size_t)*n + 1, sizeof *ids);
    memcpy(ids, g->prompt_ids + from, (size_t)*first * sizeof *ids);
    if (len > 0) memcpy(ids + *first, behind, (size_t)len * sizeof *ids);
    free(behind);
    return ids;
}

static int image_tokens(const struct attention *a, const struct ptd_picture *p, int *R, int *C)
{
    int factor = a->model->config.v_patch * a->model->config.v_merge;
    *R = p->height / factor;
    *C = p->width / factor;
    return *R * *C;
}

/* Runs the model over the segments of the batch; keeps what the rows of `reply` look at. */
static int look(struct attention *a, struct ptd_group *g, struct look *l, int reply)
{
    size_t room = a->tools->memory ? a->tools->left : 0;
    if (ptd_batch_check(a->batch, room, "--from data, smaller pictures or more memory")) return -1;
    ptd_forward(a->model, a->batch);
    l->share = ptd_group_alloc(g, (size_t)l->n * l->tokens * sizeof *l->share);
    ptd_attention_to_pictures(a->model, a->batch, reply, a->layers, a->heads, l->share);
    return ptd_device_wait(a->model->device);
}

/* Reads the prompt of `seen`, which is g or a view of it, and `text` behind it. */
static int read_prompt(struct attention *a, struct ptd_group *g, const struct ptd_group *seen,
                       const char *text, struct look *l)
{
    int from = picture_end(a, seen), R, C, prompt, rc = -1;
    int32_t *ids =
        check_ids(a, seen, from) < 0 ? NULL : text_after(a, seen, text, from, &l->n, &l->first);
    if (!ids) return -1;
    for (int i = 0; i < g->n_pictures; i++) l->tokens += image_tokens(a, &g->pictures[i], &R, &C);
    ptd_batch_reset(a->batch);
    prompt = ptd_batch_prompt(a->batch, seen->prompt_ids, from, g->pictures, g->n_pictures);
    if (prompt >= 0) rc = look(a, g, l, ptd_batch_reply(a->batch, prompt, ids, l->n));
    free(ids);
    return rc ? -1 : 0;
}

/* With another question (NULL: its own), or for another tokenizer, the prompt is rendered anew. */
static int read_group(struct attention *a, struct ptd_group *g, const char *question,
                      const char *text, struct look *l)
{
    struct ptd_group seen = *g;
    int32_t *ids = NULL;
    if (!a->model && load_model(a) < 0) return -1;
    if (question) seen.question = question, seen.n_turns = 0;
    if (question || a->tools->foreign) {
        seen.n_prompt =
            ptd_prompt_render(a->tools->tokenizer, &a->tools->config, &seen, NULL, &ids);
        seen.prompt_ids = ids;
    }
    int rc = seen.n_prompt < 0 ? -1 : read_prompt(a, g, &seen, text, l);
    free(ids);
    return rc;
}

/* ---- scores ---- */

static int rising(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void normalise(struct look *l)
{
    for (int i = 0; i < l->n; i++) {
        float *row = l->share + (size_t)i * l->tokens, sum = 0;
        for (int t = 0; t < l->tokens; t++) sum += l->sink[t] ? 0 : row[t];
        for (int t = 0; t < l->tokens; t++) row[t] = l->sink[t] || sum <= 0 ? 0 : row[t] / sum;
    }
}

static void find_sinks(struct ptd_group *g, struct look *l, double sink)
{
    float *sums = ptd_group_alloc(g, (size_t)l->n * sizeof *sums),
          *column = ptd_group_alloc(g, (size_t)l->n * sizeof *column);
    l->sink = ptd_group_alloc(g, (size_t)l->tokens);
    for (int i = 0; i < l->n; i++)
        for (int t = 0; t < l->tokens; t++) sums[i] += l->share[(size_t)i * l->tokens + t];
    for (int t = 0; t < l->tokens; t++) {
        for (int i = 0; i < l->n; i++)
            column[i] = sums[i] > 0 ? l->share[(size_t)i * l->tokens + t] / sums[i] : 0;
        qsort(column, (size_t)l->n, sizeof *column, rising);
        l->sink[t] = column[l->n / 10] * l->tokens > sink;
    }
}

static void score(struct ptd_group *g, struct look *l)
{
    l->score = ptd_group_alloc(g, (size_t)l->tokens * sizeof *l->score);
    for (int t = 0; t < l->tokens; t++)
        for (int i = l->first; i < l->n && !l->sink[t]; i++)
            l->score[t] += l->share[(size_t)i * l->tokens + t] / (float)(l->n - l->first);
}

static void relate(const struct look *l)
{
    float mean = 0;
    for (int t = 0; t < l->tokens; t++) mean += l->neutral[t] / (float)l->tokens;
    for (int t = 0; t < l->tokens && mean > 0; t++) l->score[t] /= l->neutral[t] + mean / 10;
}

static void choose_picture(const struct attention *a, const struct ptd_group *g, struct look *l)
{
    double best = -1;
    for (int p = 0, from = 0, R, C; p < g->n_pictures; p++, from += R * C) {
        double sum = 0;
        image_tokens(a, &g->pictures[p], &R, &C);
        for (int t = from; t < from + R * C; t++) sum += l->score[t];
        if (sum <= best) continue;
        best = sum;
        l->from = from;
        l->R = R;
        l->C = C;
    }
}

/* The chosen picture's scores, for people. */
static void keep_map(const struct attention *a, struct ptd_group *g, const struct look *l,
                     const char *source)
{
    int n = l->R * l->C, picture = 0, R, C;
    float most = 0;
    if (!a->options.record || n < 1) return;
    uint16_t *score = ptd_group_alloc(g, (size_t)n * sizeof *score);
    for (int i = 0; i < n; i++) most = fmaxf(most, l->score[l->from + i]);
    for (int i = 0; i < n && most > 0; i++) score[i] = ptd_half(l->score[l->from + i] / most);
    for (int from = 0; from < l->from; picture++)
        from += image_tokens(a, &g->pictures[picture], &R, &C);
    g->map = (struct ptd_map){score, l->R, l->C, picture, source};
}

static void choose_tokens(struct ptd_group *g, struct look *l, double mass)
{
    double sum = 0;
    int open = 0, best = l->from, end = l->from + l->R * l->C;
    l->high = ptd_group_alloc(g, (size_t)l->tokens);
    for (int t = l->from; t < end; t++) {
        sum += l->score[t];
        open += !l->sink[t];
        if (l->score[t] > l->score[best]) best = t;
    }
    for (int t = l->from; t < end; t++) l->high[t] = !l->sink[t] && l->score[t] * open > mass * sum;
    if (l->score[best] > 0) l->high[best] = 1;
}

/* ---- words and boxes ---- */

/* The word cell of token i of the chosen picture. */
static int cell_of(const struct attention *a, const struct look *l, int i)
{
    int r = (2 * (i / l->C) + 1) * a->rows / (2 * l->R),
        c = (2 * (i % l->C) + 1) * a->columns / (2 * l->C);
    return r * a->columns + c;
}

static void find_cells(const struct attention *a, struct ptd_group *g, struct look *l)
{
    l->cell = ptd_group_alloc(g, (size_t)l->tokens * sizeof *l->cell);
    for (int i = 0; i < l->R * l->C; i++)
        l->cell[l->from + i] = l->high[l->from + i] ? cell_of(a, l, i) : -1;
}

/* The row of the solution in which the cell gets its largest share; -1 if it is not among the high
 * ones. */
static int peak_of(const struct look *l, int cell)
{
    float best = -1;
    int peak = -1, end = l->from + l->R * l->C;
    for (int i = l->first; i < l->n; i++) {
        float sum = 0;
        int any = 0;
        for (int t = l->from; t < end; t++)
            if (l->cell[t] == cell) any = 1, sum += l->share[(size_t)i * l->tokens + t];
        if (!any) return -1;
        if (sum > best) best = sum, peak = i;
    }
    return peak;
}

struct place {
    int cell, peak;
};

static int earlier(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->peak != y->peak ? x->peak - y->peak : x->cell - y->cell;
}

static int order_places(const struct attention *a, const struct look *l, struct place *place)
{
    int n = 0;
    for (int cell = 0; cell < a->rows * a->columns; cell++) {
        int peak = peak_of(l, cell);
        if (peak >= 0) place[n++] = (struct place){cell, peak};
    }
    qsort(place, (size_t)n, sizeof *place, earlier);
    return n;
}

static const char *cell_name(const struct attention *a, struct ptd_group *g, int cell)
{
    return ptd_hint_cell_name(g, cell / a->columns, cell % a->columns);
}

/* Marks with `mark` the joined tokens around t that are high and unmarked; stack [tokens]. */
static void flood(const struct look *l, int *region, int *stack, int t, int mark)
{
    int n = 0, picture = l->R * l->C;
    region[t] = mark;
    for (stack[n++] = t; n > 0;) {
        int at = stack[--n], r = at / l->C, c = at % l->C;
        const int near[4] = {r > 0 ? at - l->C : -1, r + 1 < l->R ? at + l->C : -1,
                             c > 0 ? at - 1 : -1, c + 1 < l->C ? at + 1 : -1};
        for (int k = 0; k < 4; k++)
            if (near[k] >= 0 && near[k] < picture && l->high[l->from + near[k]] &&
                !region[near[k]]) {
                region[near[k]] = mark;
                stack[n++] = near[k];
            }
    }
}

/* The names of the cells under a region, in reading order. */
static const char *label_of(const struct attention *a, struct ptd_group *g, const struct look *l,
                            const int *region, int mark)
{
    uint8_t under[PTD_HINT_ROWS * PTD_HINT_COLUMNS] = {0};
    int n = 0;
    for (int i = 0; i < l->R * l->C; i++)
        if (region[i] == mark) under[l->cell[l->from + i]] = 1;
    for (int cell = 0; cell < a->rows * a->columns; cell++) n += under[cell];
    const char **names = ptd_group_alloc(g, (size_t)n * sizeof *names);
    n = 0;
    for (int cell = 0; cell < a->rows * a->columns; cell++)
        if (under[cell]) names[n++] = cell_name(a, g, cell);
    return ptd_group_join(g, " ", names, n);
}

static struct ptd_region box_of(const struct look *l, const int *region, int mark)
{
    int top = l->R, left = l->C, bottom = 0, right = 0;
    for (int i = 0; i < l->R * l->C; i++) {
        int r = i / l->C, c = i % l->C;
        if (region[i] != mark) continue;
        if (r < top) top = r;
        if (c < left) left = c;
        if (r + 1 > bottom) bottom = r + 1;
        if (c + 1 > right) right = c + 1;
    }
    return (struct ptd_region){
        "", {(float)left / l->C, (float)top / l->R, (float)right / l->C, (float)bottom / l->R}};
}

static void add_regions(const struct attention *a, struct ptd_group *g, const struct look *l,
                        struct ptd_hint *out)
{
    int picture = l->R * l->C, n = 0;
    int *region = ptd_group_alloc(g, (size_t)picture * sizeof *region),
        *stack = ptd_group_alloc(g, (size_t)picture * sizeof *stack);
    for (int i = 0; i < picture; i++)
        if (l->high[l->from + i] && !region[i]) flood(l, region, stack, i, ++n);
    struct ptd_region *boxes = ptd_group_alloc(g, (size_t)n * sizeof *boxes);
    for (int k = 0; k < n; k++) {
        boxes[k] = box_of(l, region, k + 1);
        boxes[k].label = label_of(a, g, l, region, k + 1);
    }
    out->regions = boxes;
    out->n_regions = n;
}

/* ---- steps ---- */

/* Of the data's steps only the form is used: is there one that names a first cell, and does the
 * next look at that cell again? */
static int wants_first(const struct attention *a, const struct ptd_group *g, int *again)
{
    for (int i = 0; i < g->n_steps && a->options.first; i++) {
        const char *cell = strncmp(g->steps[i], "first ", 6)
                               ? NULL
                               : ptd_hint_cell(g->steps[i], a->rows, a->columns);
        if (!cell) continue;
        *again = i + 1 < g->n_steps && strstr(g->steps[i + 1], cell) != NULL;
        return 1;
    }
    return 0;
}

static const char *look_step(const struct attention *a, struct ptd_group *g,
                             const struct place *place, int n)
{
    const char **words = ptd_group_alloc(g, (size_t)(n + 1) * sizeof *words);
    words[0] = "look at";
    for (int i = 0; i < n; i++) words[1 + i] = cell_name(a, g, place[i].cell);
    return ptd_group_join(g, " ", words, n + 1);
}

static void add_steps(const struct attention *a, struct ptd_group *g, struct place *place, int n,
                      struct ptd_hint *out)
{
    const char **steps = ptd_group_alloc(g, ((size_t)g->n_steps + 2) * sizeof *steps);
    int used = 0, again = 1;
    if (wants_first(a, g, &again)) {
        steps[used++] = ptd_group_text(g, "first %s", cell_name(a, g, place[0].cell));
        if (!again && n > 1) place++, n--;
    }
    steps[used++] = look_step(a, g, place, n);
    for (int i = 0; i < g->n_steps; i++)
        if (!ptd_hint_cell(g->steps[i], a->rows, a->columns)) steps[used++] = g->steps[i];
    out->steps = steps;
    out->n_steps = used;
}

/* From raw shares to a hint: 1, or 0 if nothing was looked at. */
static int hint_from(const struct attention *a, struct ptd_group *g, struct look *l,
                     struct ptd_hint *out)
{
    find_sinks(g, l, a->weigh ? INFINITY : a->options.sink);
    score(g, l);
    if (l->neutral) relate(l);
    normalise(l);
    choose_picture(a, g, l);
    keep_map(a, g, l, "attention");
    choose_tokens(g, l, a->options.mass);
    find_cells(a, g, l);
    struct place *place = ptd_group_alloc(g, (size_t)a->rows * a->columns * sizeof *place);
    int n = order_places(a, l, place);
    if (n == 0) return 0;
    add_regions(a, g, l, out);
    add_steps(a, g, place, n, out);
    return 1;
}

/* The scores of the question that is asked in any case. */
static int read_neutral(struct attention *a, struct ptd_group *g, struct look *l)
{
    struct look n = {0};
    if (read_group(a, g, a->options.neutral, "", &n) < 0) return -1;
    n.first = 0;
    n.sink = ptd_group_alloc(g, (size_t)n.tokens);
    score(g, &n);
    l->neutral = n.score;
    return 0;
}

static int by_attention(struct attention *a, struct ptd_group *g, struct ptd_hint *out)
{
    struct look l = {0};
    if (!g->solution || !*g->solution) return 0;
    if (read_group(a, g, NULL, g->solution, &l) < 0) return -1;
    if (l.n == l.first) return 0;
    if (a->options.neutral && read_neutral(a, g, &l) < 0) return -1;
    return hint_from(a, g, &l, out);
}

/* ---- without a cell, and times the gradient ---- */

/* A row of attention, of tokens of all pictures, that is 0. */
static void one_row(struct attention *a, struct ptd_group *g, struct look *l)
{
    *l = (struct look){.n = 1};
    for (int i = 0, R, C; i < g->n_pictures; i++)
        l->tokens += image_tokens(a, &g->pictures[i], &R, &C);
    l->share = ptd_group_alloc(g, (size_t)l->tokens * sizeof *l->share);
}

static int by_blank(struct attention *a, struct ptd_group *g, struct ptd_hint *out)
{
    const struct ptd_hint_grid grid = {a->rows, a->columns};
    struct look l;
    double *loss = ptd_group_alloc(g, (size_t)a->rows * a->columns * sizeof *loss);
    if (ptd_hint_blanked(a->weigh, &grid, g, loss) < 0) return -1;
    one_row(a, g, &l);
    image_tokens(a, g->pictures, &l.R, &l.C);
    for (int i = 0; i < l.R * l.C; i++) l.share[i] = (float)loss[cell_of(a, &l, i)];
    return hint_from(a, g, &l, out);
}

static int by_gradient(struct attention *a, struct ptd_group *g, struct ptd_hint *out)
{
    struct ptd_forced_text text[PTD_WEIGH_RIGHT];
    struct look l;
    double mean = 0;
    int texts = ptd_weigh_texts(a->weigh, g, text);
    if (texts < 0) return -1;
    one_row(a, g, &l);
    double *sum = ptd_group_alloc(g, (size_t)l.tokens * sizeof *sum);
    if (ptd_attended_sums(a->attended, g, text, texts, a->layers, sum) < 0) return -1;
    for (int t = 0; t < l.tokens; t++) mean += sum[t] / l.tokens;
    for (int t = 0; t < l.tokens; t++) l.share[t] = (float)fmax(0, sum[t] - mean);
    return hint_from(a, g, &l, out);
}

static int make_attention(void *source, struct ptd_group *g, struct ptd_hint *out)
{
    struct attention *a = source;
    if (g->n_pictures == 0) return 0;
    if (!a->weigh) return by_attention(a, g, out);
    if (!g->answer) return 0;
    if (!a->model && load_model(a) < 0) return -1;
    return (a->attended ? by_gradient : by_blank)(a, g, out);
}

const struct ptd_hint_source ptd_hint_attention = {.name = "attention",
                                                   .computes = 1,
                                                   .open = open_attention,
                                                   .make = make_attention,
                                                   .close = close_attention};

/* ---- where it looks, alone ---- */

struct ptd_looker {
    struct attention a;
};

struct ptd_looker *ptd_looker_open(struct ptd_hint_tools *eye, const struct ptd_hint_options *o)
{
    return open_attention(eye, o, NULL);
}

void ptd_looker_close(struct ptd_looker *l)
{
    if (l) close_attention(l);
}

/* The sum of the scores of the cell's tokens; -1: none is its own. */
static float cell_score(const struct attention *a, const struct look *l, int cell)
{
    float sum = -1;
    for (int i = 0; i < l->R * l->C; i++)
        if (cell_of(a, l, i) == cell) sum = fmaxf(sum, 0) + l->score[l->from + i];
    return sum;
}

int ptd_looker_places(struct ptd_looker *looker, struct ptd_group *g, int *cell, int most)
{
    struct attention *a = &looker->a;
    struct look l = {0};
    int n = 0, cells = a->rows * a->columns;
    if (read_group(a, g, NULL, "", &l) < 0) return -1;
    l.first = 0;
    find_sinks(g, &l, a->options.sink);
    score(g, &l);
    choose_picture(a, g, &l);
    keep_map(a, g, &l, "search");
    float *sum = ptd_group_alloc(g, (size_t)cells * sizeof *sum);
    for (int i = 0; i < cells; i++) sum[i] = cell_score(a, &l, i);
    while (n < most) {
        int best = 0;
        for (int i = 1; i < cells; i++)
            if (sum[i] > sum[best]) best = i;
        if (sum[best] <= 0) break;
        cell[n++] = best;
        sum[best] = -1;
    }
    return n;
}
