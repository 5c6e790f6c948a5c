/* fit: a row's texts, its prompt and how long that is. How prompts are written is prompt.c's. */
#include "data/fit.h"
#include "data/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

#define PLACE 40 /* bytes of the name of a text */

static const char *const tokens[] = {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>",
                                     "<|vision_end|>"};

/* The token that the text spells; NULL: none. */
static const char *spelled(const char *text)
{
    for (size_t i = 0; text && i < sizeof tokens / sizeof *tokens; i++)
        if (strstr(text, tokens[i])) return tokens[i];
    return NULL;
}

/* Label i of a list that is called so. */
static const char *label_of(const struct ptd_region *list, int i, const char *name, char *place)
{
    snprintf(place, PLACE, "field \"%s\": item %d", name, i + 1);
    return list[i].label;
}

/* Text i of g and what it is called; 0: there are fewer. */
static int text_of(const struct ptd_group *g, int i, const char **text, char place[PLACE])
{
    int steps = i - 2, regions = steps - g->n_steps, objects = regions - g->n_regions;
    snprintf(place, PLACE, i ? "field \"solution\"" : "question or hint");
    if (i < 2)
        *text = i ? g->solution : g->question;
    else if (regions < 0) {
        snprintf(place, PLACE, "field \"steps\": item %d", steps + 1);
        *text = g->steps[steps];
    } else if (objects < 0)
        *text = label_of(g->regions, regions, "regions", place);
    else if (objects < g->n_objects)
        *text = label_of(g->objects, objects, "objects", place);
    else
        return 0;
    return 1;
}

int ptd_fit_words(const struct ptd_group *g, int *at)
{
    char place[PLACE];
    const char *text, *token;
    while (text_of(g, *at, &text, place))
        if ((++*at, token = spelled(text)))
            return *at == 1
                       ? ptd_fail(PTD_DATAERR, "%s spells a picture token (%s); use <image>", place,
                                  token)
                       : ptd_fail(PTD_DATAERR, "%s: spells a picture token (%s)", place, token);
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
