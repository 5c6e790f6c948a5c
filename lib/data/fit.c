/* fit: a row's texts, its prompt and how long that is. How prompts are written is prompt.c's. */
#include "data/fit.h"
#include "data/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

#define PLACE 40 /* bytes of the name of a text */
#define OWN   4  /* texts of a group that are in no list */

static const char *const tokens[] = {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>",
                                     "<|vision_end|>"};

const char *ptd_fit_spelled(const char *text)
{
    for (size_t i = 0; text && i < sizeof tokens / sizeof *tokens; i++)
        if (strstr(text, tokens[i])) return tokens[i];
    return NULL;
}

/* Item i of the lists of g, one behind the other; *name and *item: which list, and which of it. */
static const char *item_of(const struct ptd_group *g, int i, const char **name, int *item)
{
    const struct {
        const char *name;
        int n;
        const void *first; /* text of the first, and how far it is to that of the next */
        size_t size;
    } lists[] = {
        {"turns", g->n_turns, g->turns ? &g->turns->text : NULL, sizeof *g->turns},
        {"answers", g->n_answers, g->answers, sizeof *g->answers},
        {"steps", g->n_steps, g->steps, sizeof *g->steps},
        {"regions", g->n_regions, g->regions ? &g->regions->label : NULL, sizeof *g->regions},
        {"objects", g->n_objects, g->objects ? &g->objects->label : NULL, sizeof *g->objects}};
    for (int k = 0; k < 5; i -= lists[k++].n)
        if (i < lists[k].n) {
            *name = lists[k].name;
            *item = i + 1;
            return *(const char *const *)((const char *)lists[k].first + i * lists[k].size);
        }
    *name = NULL;
    return NULL;
}

/* Text i of g and what it is called; 0: there are fewer. */
static int text_of(const struct ptd_group *g, int i, const char **text, char place[PLACE])
{
    const struct {
        const char *name, *text;
    } own[] = {{"system", g->system},
               {"question", g->question},
               {"answer", g->answer},
               {"solution", g->solution}};
    const char *name;
    int item;
    if (i < OWN) {
        snprintf(place, PLACE, "field \"%s\"", own[i].name);
        *text = own[i].text;
        return 1;
    }
    *text = item_of(g, i - OWN, &name, &item);
    if (name) snprintf(place, PLACE, "field \"%s\": item %d", name, item);
    return name != NULL;
}

int ptd_fit_words(const struct ptd_group *g, int *at)
{
    char place[PLACE];
    const char *text, *token;
    for (; text_of(g, *at, &text, place); ++*at) {
        if (!(token = ptd_fit_spelled(text))) continue;
        ++*at;
        return ptd_fail(PTD_DATAERR,
                        "%s: spells the picture token %s, expected none; in a question, <image> "
                        "stands for a picture",
                        place, token);
    }
    return 0;
}

/* ---- the prompt ---- */

int ptd_fit_length(const struct ptd_fit *f, int n)
{
    int context = f->config->positions;
    if (f->max_prompt && n > f->max_prompt)
        return ptd_fail(PTD_DATAERR, "a prompt of %d tokens, expected at most %d (--max-prompt)", n,
                        f->max_prompt);
    if (context && n > context)
        return ptd_fail(PTD_DATAERR,
                        "a prompt of %d tokens, expected at most %d (max_position_embeddings)", n,
                        context);
    if (n == context)
        return ptd_fail(PTD_DATAERR,
                        "a prompt of %d tokens, expected fewer: they fill the context "
                        "(max_position_embeddings)",
                        n);
    return 0;
}

int ptd_fit_group(const struct ptd_fit *f, struct ptd_group *g)
{
    int32_t *ids, *kept;
    int at = 0;
    if (f->system) g->system = ptd_group_text(g, "%s", f->system);
    g->n_prompt = 0;
    if (ptd_fit_words(g, &at) < 0) return -1;
    int n = ptd_prompt_render(f->tokenizer, f->config, g, NULL, &ids);
    if (n < 0) return -1;
    kept = ptd_group_alloc(g, n * sizeof *kept);
    memcpy(kept, ids, n * sizeof *kept);
    free(ids);
    g->prompt_ids = kept;
    g->n_prompt = n;
    return ptd_fit_length(f, n);
}
