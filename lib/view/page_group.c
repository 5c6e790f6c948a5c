/* What the page tells of a group.
 * Leaves to page.c: how much of it there is room for; to page.js: how it looks. */
#include "base/half.h"
#include "view/page_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_TEXT 160   /* bytes of the question in the list */
#define NAME_MAX  200   /* and of a name */
#define MAP_MOST  16384 /* numbers of a map; */
#define MAP_LEAST 1024  /* where there is little room */

const struct ptd_page_detail ptd_page_details[] = {
    {8, 0.001, 1, 0}, {5, 0.01, 1, 0}, {3, 0.05, 1, 0},    {0, 1, 1, 0},
    {0, 1, 0, 0},     {0, 1, 0, 1500}, {0, 1, 0, 120, 64}, {0, 1, 0, 60, 4},
};
const int ptd_page_n_details = sizeof ptd_page_details / sizeof *ptd_page_details;

/* ---- words beside a token ---- */

static struct ptd_page_word *find(struct ptd_page_word *all, int n, int32_t id)
{
    for (int i = 0; i < n; i++)
        if (all[i].id == id) return &all[i];
    return NULL;
}

static float better(const struct ptd_page_word *w)
{
    if (isnan(w->student)) return w->tutor;
    return isnan(w->tutor) || w->student > w->tutor ? w->student : w->tutor;
}

static int best_first(const void *a, const void *b)
{
    float x = better(a), y = better(b);
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x < y) - (x > y);
}

/* The student's best words and the tutor's, both that are known. */
static int gather(const struct ptd_rollout *y, int t, struct ptd_page_word *all)
{
    int n = 0;
    for (int i = 0; i < y->top_k; i++) {
        size_t at = (size_t)t * (size_t)y->top_k + (size_t)i;
        if (y->top_ids[at] < 0) continue;
        all[n++] =
            (struct ptd_page_word){y->top_ids[at], y->top_logp ? ptd_unhalf(y->top_logp[at]) : NAN,
                                   y->teacher_on_top ? ptd_unhalf(y->teacher_on_top[at]) : NAN};
    }
    for (int i = 0; i < y->teacher_k; i++) {
        size_t at = (size_t)t * (size_t)y->teacher_k + (size_t)i;
        struct ptd_page_word *w = find(all, n, y->teacher_ids[at]);
        if (y->teacher_ids[at] < 0) continue;
        if (!w) *(w = &all[n++]) = (struct ptd_page_word){y->teacher_ids[at], NAN, NAN};
        w->tutor = ptd_unhalf(y->teacher_logp[at]);
    }
    struct ptd_page_word *own = find(all, n, y->ids[t]);
    if (own && y->logp) own->student = y->logp[t];
    return n;
}

int ptd_page_beside(const struct ptd_rollout *y, int t, const struct ptd_page_detail *d,
                    struct ptd_page_word word[PTD_PAGE_WORDS])
{
    struct ptd_page_word *all = ptd_array((size_t)(y->top_k + y->teacher_k) + 1, sizeof *all);
    int kept = 0, n = d->words ? gather(y, t, all) : 0;
    qsort(all, (size_t)n, sizeof *all, best_first);
    for (int i = 0; i < n && kept < d->words; i++) {
        float best = better(&all[i]);
        if (isnan(best) || exp(best) >= d->least) word[kept++] = all[i];
    }
    free(all);
    return kept;
}

/* ---- texts and numbers ---- */

/* A text, of which the end may be left out. */
static void put_text(struct ptd_jot *j, const char *key, const char *s, int most)
{
    if (!s) return;
    ptd_jot_key(j, key);
    size_t n = strlen(s);
    if (!most || n <= (size_t)most) {
        ptd_jot_bytes(j, s, n);
        return;
    }
    for (n = (size_t)most; n && ((unsigned char)s[n] & 0xc0) == 0x80;) n--;
    char *cut = ptd_format("%.*s [... %zu bytes]", (int)n, s, strlen(s) - n);
    ptd_jot_text(j, cut);
    free(cut);
}

/* Of a list of n. */
static int shown(int n, const struct ptd_page_detail *d)
{
    return d->entries && n > d->entries ? d->entries : n;
}

static void put_texts(struct ptd_jot *j, const char *key, const char *const *s, int n,
                      const struct ptd_page_detail *d)
{
    if (!n) return;
    ptd_jot_key(j, key);
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(n, d); i++) {
        char *cut = ptd_format("%.*s", d->text ? d->text : 1 << 20, s[i]);
        ptd_jot_text(j, cut);
        free(cut);
    }
    ptd_jot_close(j, ']');
}

static void put_number(struct ptd_jot *j, const char *key, double x)
{
    ptd_jot_key(j, key);
    ptd_jot_number(j, x);
}

static void put_int(struct ptd_jot *j, const char *key, int64_t x)
{
    ptd_jot_key(j, key);
    ptd_jot_int(j, x);
}

/* In thousandths, which are shorter. */
static void put_thousandth(struct ptd_jot *j, double x)
{
    if (isnan(x))
        ptd_jot_raw(j, "null");
    else
        ptd_jot_int(j, llround(1000 * fmax(-1e6, fmin(1e6, x))));
}

static void put_row(struct ptd_jot *j, const char *key, const float *x, int n)
{
    if (!x) return;
    ptd_jot_key(j, key);
    ptd_jot_open(j, '[');
    for (int i = 0; i < n; i++) put_thousandth(j, x[i]);
    ptd_jot_close(j, ']');
}

static void put_regions(struct ptd_jot *j, const char *key, const struct ptd_region *r, int n,
                        const struct ptd_page_detail *d)
{
    if (!n) return;
    ptd_jot_key(j, key);
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(n, d); i++) {
        char *label = ptd_format("%.*s", NAME_MAX, r[i].label);
        ptd_jot_open(j, '[');
        ptd_jot_text(j, label);
        for (int k = 0; k < 4; k++) put_thousandth(j, r[i].box[k]);
        ptd_jot_close(j, ']');
        free(label);
    }
    ptd_jot_close(j, ']');
}

/* ---- a response ---- */

static void put_beside(struct ptd_jot *j, const struct ptd_rollout *y,
                       const struct ptd_page_detail *d)
{
    struct ptd_page_word word[PTD_PAGE_WORDS];
    if (!d->words || (!y->top_ids && !y->teacher_ids)) return;
    ptd_jot_key(j, "beside");
    ptd_jot_open(j, '[');
    for (int t = 0; t < y->n; t++) {
        int n = ptd_page_beside(y, t, d, word);
        ptd_jot_open(j, '[');
        for (int i = 0; i < n; i++) {
            ptd_jot_int(j, word[i].id);
            put_thousandth(j, word[i].student);
            put_thousandth(j, word[i].tutor);
        }
        ptd_jot_close(j, ']');
    }
    ptd_jot_close(j, ']');
}

static void put_tokens(struct ptd_jot *j, const struct ptd_rollout *y,
                       const struct ptd_page_detail *d)
{
    ptd_jot_key(j, "ids");
    ptd_jot_open(j, '[');
    for (int t = 0; t < y->n; t++) ptd_jot_int(j, y->ids[t]);
    ptd_jot_close(j, ']');
    put_row(j, "logp", y->logp, y->n);
    put_row(j, "ref", y->ref_logp, y->n);
    put_row(j, "tutor", y->teacher_on_ids, y->n);
    put_row(j, "masked", y->masked_logp, y->n);
    put_row(j, "entropy", y->entropy, y->n);
    put_row(j, "divergence", y->divergence, y->n);
    put_row(j, "advantages", y->advantages, y->n);
    put_beside(j, y, d);
}

static void put_verdict(struct ptd_jot *j, const struct ptd_rollout *y,
                        const struct ptd_page_detail *d)
{
    put_text(j, "found", y->extracted, d->text);
    put_text(j, "reason", y->reason, d->text);
    if (!y->outcome) return;
    put_number(j, "accuracy", y->accuracy);
    put_number(j, "format", y->format);
    put_number(j, "reward", y->reward);
    put_number(j, "advantage", y->advantage);
    if (!y->n_parts) return;
    ptd_jot_key(j, "parts");
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(y->n_parts, d); i++) {
        ptd_jot_open(j, '[');
        char *name = ptd_format("%.*s", NAME_MAX, y->parts[i].name);
        ptd_jot_text(j, name);
        ptd_jot_number(j, y->parts[i].value);
        ptd_jot_close(j, ']');
        free(name);
    }
    ptd_jot_close(j, ']');
}

static void put_rollout(struct ptd_jot *j, const struct ptd_rollout *y,
                        const struct ptd_page_detail *d)
{
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "outcome"), ptd_jot_text(j, ptd_outcome_name[y->outcome]);
    put_text(j, "text", y->text, d->text);
    put_text(j, "stop", y->stop, NAME_MAX);
    put_int(j, "n", y->n);
    if (y->greedy) put_int(j, "greedy", 1);
    if (ptd_rollout_taught(y)) put_int(j, "tutored", 1);
    put_verdict(j, y, d);
    if (d->numbers) put_tokens(j, y, d);
    ptd_jot_close(j, '}');
}

/* ---- a group ---- */

static double text_bytes(const char *s, const struct ptd_page_detail *d)
{
    size_t n = s ? strlen(s) : 0;
    return d->text && n > (size_t)d->text ? d->text : (double)n;
}

double ptd_page_bytes(const struct ptd_group *g, const struct ptd_page_detail *d)
{
    double sum = text_bytes(g->question, d) + text_bytes(g->solution, d) + text_bytes(g->system, d);
    double token = d->numbers ? 60 + 20 * d->words : 0;
    for (int i = 0; i < shown(g->n_turns, d); i++) sum += text_bytes(g->turns[i].text, d);
    for (int i = 0; i < shown(g->n_rollouts, d); i++)
        sum += 200 + token * g->rollouts[i].n + text_bytes(g->rollouts[i].text, d);
    return sum;
}

static void put_pictures(struct ptd_jot *j, const struct ptd_group *g,
                         const struct ptd_page_detail *d)
{
    char hash[17];
    ptd_jot_key(j, "pictures");
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(g->n_pictures, d); i++) {
        const struct ptd_picture *p = &g->pictures[i];
        ptd_picture_hash(p->pixels, p->height, p->width, hash);
        ptd_jot_open(j, '[');
        ptd_jot_text(j, hash);
        ptd_jot_int(j, p->width);
        ptd_jot_int(j, p->height);
        ptd_jot_close(j, ']');
    }
    ptd_jot_close(j, ']');
}

static void put_map(struct ptd_jot *j, const struct ptd_map *m, const struct ptd_page_detail *d)
{
    if (!m->score || (long)m->rows * m->columns > (d->entries ? MAP_LEAST : MAP_MOST)) return;
    ptd_jot_key(j, "map");
    ptd_jot_open(j, '{');
    put_int(j, "rows", m->rows);
    put_int(j, "columns", m->columns);
    put_int(j, "picture", m->picture);
    put_text(j, "source", m->source, NAME_MAX);
    ptd_jot_key(j, "score");
    ptd_jot_open(j, '[');
    for (int i = 0; i < m->rows * m->columns; i++) put_thousandth(j, ptd_unhalf(m->score[i]));
    ptd_jot_close(j, ']');
    ptd_jot_close(j, '}');
}

static void put_hint(struct ptd_jot *j, const struct ptd_group *g, const struct ptd_page_detail *d)
{
    const struct ptd_hint *h = &g->hint;
    if (h->text) {
        ptd_jot_key(j, "hint");
        ptd_jot_open(j, '{');
        put_text(j, "text", h->text, d->text);
        put_text(j, "source", h->source, NAME_MAX);
        put_regions(j, "regions", h->regions, h->n_regions, d);
        put_texts(j, "steps", h->steps, h->n_steps, d);
        if (h->unchecked) put_int(j, "unchecked", 1);
        ptd_jot_close(j, '}');
    }
    put_text(j, "drop", g->hint_drop, NAME_MAX);
    put_text(j, "dropped", g->hint_dropped, d->text);
    put_text(j, "refused", g->hint_refused, d->text);
    if (g->hint_gain != 0) put_number(j, "gain", g->hint_gain);
    put_map(j, &g->map, d);
}

static void put_turns(struct ptd_jot *j, const struct ptd_group *g, const struct ptd_page_detail *d)
{
    if (!g->n_turns) return;
    ptd_jot_key(j, "turns");
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(g->n_turns, d); i++) {
        ptd_jot_open(j, '{');
        put_text(j, "role", g->turns[i].role, NAME_MAX);
        put_text(j, "text", g->turns[i].text, d->text);
        ptd_jot_close(j, '}');
    }
    ptd_jot_close(j, ']');
}

void ptd_page_group(struct ptd_jot *j, const struct ptd_group *g, const struct ptd_page_detail *d)
{
    ptd_jot_open(j, '{');
    put_text(j, "system", g->system, d->text);
    put_turns(j, g, d);
    put_text(j, "question", g->question, d->text);
    put_text(j, "answer", g->answer, d->text);
    put_texts(j, "answers", g->answers, g->n_answers, d);
    put_text(j, "judge", g->judge, NAME_MAX);
    put_text(j, "solution", g->solution, d->text);
    put_texts(j, "steps", g->steps, g->n_steps, d);
    put_regions(j, "regions", g->regions, g->n_regions, d);
    put_regions(j, "objects", g->objects, g->n_objects, d);
    put_pictures(j, g, d);
    put_hint(j, g, d);
    put_int(j, "generation", g->generation);
    if (g->has_baseline) put_number(j, "baseline", g->baseline);
    if (d != ptd_page_details) put_int(j, "shortened", d - ptd_page_details);
    ptd_jot_key(j, "rollouts");
    ptd_jot_open(j, '[');
    for (int i = 0; i < shown(g->n_rollouts, d); i++) put_rollout(j, &g->rollouts[i], d);
    ptd_jot_close(j, ']');
    ptd_jot_close(j, '}');
}

/* ---- its line ---- */

/* The mean of a row of numbers over all responses that have one; NAN: none has. */
static double mean(const struct ptd_group *g, size_t at)
{
    double sum = 0;
    long n = 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        const float *x;
        memcpy(&x, (const char *)&g->rollouts[i] + at, sizeof x);
        for (int t = 0; x && t < g->rollouts[i].n; t++)
            if (isfinite(x[t])) sum += x[t], n++;
    }
    return n ? sum / (double)n : NAN;
}

static void put_counts(struct ptd_jot *j, const struct ptd_group *g)
{
    double reward = 0, tokens = 0;
    int tutored = 0, n = g->n_rollouts;
    char *outcomes = ptd_alloc((size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        reward += y->reward / n;
        tokens += (double)y->n / n;
        tutored += ptd_rollout_taught(y);
        outcomes[i] = "-rwu"[y->outcome];
    }
    put_text(j, "o", outcomes, 0);
    put_number(j, "reward", reward);
    put_number(j, "tokens", tokens);
    put_int(j, "tutored", tutored);
    free(outcomes);
}

void ptd_page_line(struct ptd_jot *j, const struct ptd_group *g)
{
    const char *picture = g->n_pictures ? "picture" : NULL;
    char hash[17];
    put_text(j, "uid", g->uid, NAME_MAX);
    put_int(j, "step", g->step);
    put_text(j, "category", g->category, NAME_MAX);
    put_text(j, "q", g->question, LINE_TEXT);
    put_text(j, "answer", g->answer, NAME_MAX);
    if (g->group_accuracy >= 0) put_number(j, "accuracy", g->group_accuracy);
    if (g->hint.text) put_text(j, "hint", g->hint.source ? g->hint.source : "?", NAME_MAX);
    put_text(j, "drop", g->hint_drop, NAME_MAX);
    put_number(j, "entropy", mean(g, offsetof(struct ptd_rollout, entropy)));
    put_number(j, "divergence", mean(g, offsetof(struct ptd_rollout, divergence)));
    if (picture) {
        ptd_picture_hash(g->pictures->pixels, g->pictures->height, g->pictures->width, hash);
        put_text(j, picture, hash, 0);
    }
    put_counts(j, g);
}
