/* source: data set, tokenizer and configuration opened together; rows become groups with rendered
 * prompts. Reading rows is dataset.c, rendering is prompt.c. */
#include "method/source.h"
#include "judge/judge.h"
#include "checkpoint/files.h"
#include "data/chat.h"
#include "data/template.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

struct ptd_tokenizer *ptd_source_tokenizer(struct ptd_store *s)
{
    size_t len;
    char *json = ptd_store_get_meta(s, "tokenizer.json", &len);
    struct ptd_tokenizer *t;
    if (!json) {
        ptd_fail(PTD_DATAERR, "%s: holds no tokenizer.json", ptd_store_path(s));
        return NULL;
    }
    t = ptd_tokenizer_new(json, len, "tokenizer.json");
    free(json);
    return t;
}

static int read_config(struct ptd_source *s)
{
    char *config = ptd_store_get_meta(s->store, "config.json", NULL),
         *images = ptd_image_rules_file(s->store);
    char *generation = ptd_store_get_meta(s->store, "generation_config.json", NULL);
    int r = -1;
    if (!config || !images)
        ptd_fail(PTD_DATAERR, "%s: holds no config.json and preprocessor_config.json",
                 ptd_store_path(s->store));
    else
        r = ptd_config_parse(&s->config, config, generation) ||
                    ptd_image_rules_parse(&s->rules, images) ||
                    ptd_template_read(&s->config, s->store)
                ? -1
                : 0;
    free(config);
    free(images);
    free(generation);
    return r;
}

static int open_model(struct ptd_source *s, const char *store, int mode)
{
    memset(s, 0, sizeof *s);
    if (ptd_store_open(&s->store, store, mode) || read_config(s)) return -1;
    return (s->tokenizer = ptd_source_tokenizer(s->store)) ? 0 : -1;
}

int ptd_source_model(struct ptd_source *s, const char *store)
{
    return open_model(s, store, PTD_STORE_READ);
}

/* The files' chat template, or the one of that name. */
static int read_template(struct ptd_config *c, const struct ptd_files *f)
{
    const char *text[PTD_TEMPLATE_FILES];
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) text[i] = ptd_files_text(f, ptd_template_files[i]);
    c->thinking = f->template ? ptd_template_from_name(f->template) : ptd_template_choose(text);
    return c->thinking < 0 ? -1 : 0;
}

int ptd_source_files(struct ptd_source *s, const struct ptd_source_from *from)
{
    struct ptd_files f;
    memset(s, 0, sizeof *s);
    int rc = ptd_files_read(&f, from->folder, from->tokenizer);
    const char *json = ptd_files_text(&f, "tokenizer.json");
    f.template = from->template;
    if (rc == 0 && !json)
        rc = ptd_fail(PTD_USAGE, "%s has no tokenizer built in: give --tokenizer FILE",
                      from->folder);
    if (rc == 0) rc = ptd_files_check(&f, &s->config, &s->rules);
    if (rc == 0) rc = read_template(&s->config, &f);
    if (rc == 0 && !(s->tokenizer = ptd_tokenizer_new(json, strlen(json), "tokenizer.json")))
        rc = -1;
    ptd_files_clear(&f);
    return rc;
}

int ptd_source_open_as(struct ptd_source *s, const char *store, int mode, const char *data,
                       const struct ptd_dataset_places *places)
{
    if (open_model(s, store, mode) || !(s->data = ptd_dataset_open_at(data, places))) return -1;
    snprintf(s->digest, sizeof s->digest, "%016llx",
             (unsigned long long)ptd_dataset_digest(s->data));
    return ptd_dataset_watch(s->data, store);
}

int ptd_source_open(struct ptd_source *s, const char *store, const char *data,
                    const struct ptd_dataset_places *places)
{
    return ptd_source_open_as(s, store, PTD_STORE_READ, data, places);
}

int ptd_source_system(struct ptd_source *s, const char *text)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n, left = text ? (utf8proc_ssize_t)strlen(text) : 0;
    for (const char *at = text; left > 0; at += n, left -= n)
        if ((n = utf8proc_iterate((const utf8proc_uint8_t *)at, left, &c)) <= 0)
            return ptd_fail(PTD_USAGE, "option --system: byte %d is no UTF-8", (int)(at - text));
    const char *token = ptd_fit_spelled(text);
    if (token) return ptd_fail(PTD_USAGE, "option --system: spells the picture token %s", token);
    s->system = text;
    return 0;
}

struct ptd_fit ptd_source_fit(const struct ptd_source *s)
{
    return (struct ptd_fit){s->tokenizer, &s->config, s->system, s->max_prompt};
}

/* Where bad rows are left out, so is one whose own judge cannot read its answer. */
static int check_gold(const struct ptd_source *s, const struct ptd_group *g)
{
    const struct ptd_judge *rule = s->skip_bad && g->judge ? ptd_judge_named(g->judge) : NULL;
    struct ptd_asked asked = {g->answer, (char *const *)g->answers, g->n_answers, g->question};
    if (!rule || !g->answer) return 0;
    struct ptd_gold *gold = ptd_gold_new(rule, NULL, &asked);
    int bad = gold ? 0 : ptd_fail(PTD_DATAERR, "field \"answer\": %.200s", ptd_failed_message());
    ptd_gold_free(gold);
    return bad;
}

int ptd_source_group(struct ptd_source *s, int row, int64_t step, struct ptd_group *g)
{
    struct ptd_fit fit = ptd_source_fit(s);
    if (ptd_dataset_read(s->data, row, &s->rules, g)) return -1;
    g->step = step;
    g->generation = -1;
    if (ptd_fit_group(&fit, g) < 0 || check_gold(s, g) < 0 || (s->also && s->also(s, g) < 0))
        return ptd_dataset_blame(s->data, row);
    return 0;
}

int ptd_source_pixels(struct ptd_source *s, int64_t max, int64_t min)
{
    struct ptd_image_rules *r = &s->rules;
    if (max) r->max_pixels = s->max_pixels = max;
    if (min) r->min_pixels = s->min_pixels = min;
    if (r->min_pixels <= r->max_pixels) return 0;
    return ptd_fail(
        PTD_USAGE, "pictures of at least %ld pixels%s and at most %ld%s: expected less at least",
        r->min_pixels, min ? " (--min-pixels)" : "", r->max_pixels, max ? " (--max-pixels)" : "");
}

char *ptd_source_words(const struct ptd_source *s)
{
    char system[40] = "", prompt[40] = "", most[40] = "", least[40] = "";
    if (s->system)
        snprintf(system, sizeof system, "; system %016llx",
                 (unsigned long long)XXH3_64bits(s->system, strlen(s->system)));
    if (s->max_prompt) snprintf(prompt, sizeof prompt, "; max-prompt %d", s->max_prompt);
    if (s->max_pixels) snprintf(most, sizeof most, "; max-pixels %lld", (long long)s->max_pixels);
    if (s->min_pixels) snprintf(least, sizeof least, "; min-pixels %lld", (long long)s->min_pixels);
    return ptd_format("%s%s%s%s", system, prompt, most, least);
}

/* ---- bad rows ---- */

static int row_at(struct ptd_source *s, struct ptd_place p)
{
    return p.shuffled ? ptd_dataset_order(s->data, p.seed, p.position)
                      : (int)(p.position % ptd_dataset_rows(s->data));
}

/* The last failure, of this row: may it be left out? -1: no. */
static int leave_out(struct ptd_source *s, int row)
{
    int status = ptd_failed_status(), rows = ptd_dataset_rows(s->data);
    if (!s->skip_bad || (status != PTD_DATAERR && status != PTD_NOINPUT)) return -1;
    if (ptd_dataset_changed(s->data)) return -1;
    if (!s->bad) s->bad = ptd_array(rows, sizeof *s->bad);
    if (s->bad[row]) return 0;
    if (s->n_bad == s->skip_bad)
        return ptd_fail(PTD_DATAERR, "%s; %d bad row%s left out before, as many as --skip-bad",
                        ptd_failed_message(), s->n_bad, s->n_bad == 1 ? " was" : "s were");
    s->bad[row] = 1;
    if (++s->n_bad == rows)
        return ptd_fail(PTD_DATAERR, "%s; all %d rows are bad", ptd_failed_message(), rows);
    ptd_warn("%s; left out", ptd_failed_message());
    return 0;
}

int ptd_source_take(struct ptd_source *s, struct ptd_place p, int64_t step, struct ptd_group *g)
{
    for (;; p.position++) {
        int row = row_at(s, p), known = s->bad && s->bad[row];
        if (!known && ptd_source_group(s, row, step, g) == 0) return 0;
        if (!known && leave_out(s, row) < 0) return -1;
        ptd_group_clear(g);
        if (!p.shuffled) return 1;
    }
}

void ptd_source_head(const struct ptd_source *s, const char *data, struct ptd_head *h)
{
    h->version = PTD_STREAM_VERSION;
    h->store = ptd_head_text(h, ptd_store_path(s->store));
    h->data = ptd_head_text(h, data);
    h->data_digest = ptd_head_text(h, s->digest);
    if (ptd_dataset_pictures_digest(s->data))
        h->pictures_digest = ptd_head_text(h, ptd_dataset_pictures_digest(s->data));
    h->thought_open = s->config.thinking;
}

void ptd_source_close(struct ptd_source *s)
{
    ptd_dataset_close(s->data);
    free(s->bad);
    ptd_tokenizer_free(s->tokenizer);
    ptd_store_close(s->store);
}
