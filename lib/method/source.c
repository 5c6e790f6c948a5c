/* source: data set, tokenizer and configuration opened together; rows become groups with rendered
 * prompts. Reading rows is dataset.c, rendering is prompt.c. */
#include "method/source.h"
#include "checkpoint/files.h"
#include "data/chat.h"
#include "data/prompt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

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

int ptd_source_open(struct ptd_source *s, const char *store, const char *data)
{
    memset(s, 0, sizeof *s);
    if (ptd_store_open(&s->store, store, PTD_STORE_READ) || read_config(s)) return -1;
    if (!(s->tokenizer = ptd_source_tokenizer(s->store)) || !(s->data = ptd_dataset_open(data)))
        return -1;
    snprintf(s->digest, sizeof s->digest, "%016llx",
             (unsigned long long)ptd_dataset_digest(s->data));
    return ptd_dataset_watch(s->data, store);
}

int ptd_source_system(struct ptd_source *s, const char *text)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n, left = text ? (utf8proc_ssize_t)strlen(text) : 0;
    for (const char *at = text; left > 0; at += n, left -= n)
        if ((n = utf8proc_iterate((const utf8proc_uint8_t *)at, left, &c)) <= 0)
            return ptd_fail(PTD_USAGE, "option --system: byte %d is no UTF-8", (int)(at - text));
    s->system = text;
    return 0;
}

int ptd_source_group(struct ptd_source *s, int row, int64_t step, struct ptd_group *g)
{
    int32_t *ids, *kept;
    int n;
    if (ptd_dataset_read(s->data, row, &s->rules, g)) return -1;
    g->step = step;
    g->generation = -1;
    if (s->system) g->system = ptd_group_text(g, "%s", s->system);
    n = ptd_prompt_render(s->tokenizer, &s->config, g, NULL, &ids);
    if (n < 0) return ptd_dataset_blame(s->data, row);
    kept = ptd_group_alloc(g, n * sizeof *kept);
    memcpy(kept, ids, n * sizeof *kept);
    free(ids);
    g->prompt_ids = kept;
    g->n_prompt = n;
    return 0;
}

int ptd_source_row(struct ptd_source *s, int shuffled, uint64_t seed, int64_t position)
{
    return shuffled ? ptd_dataset_order(s->data, seed, position)
                    : (int)(position % ptd_dataset_rows(s->data));
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
    ptd_tokenizer_free(s->tokenizer);
    ptd_store_close(s->store);
}
