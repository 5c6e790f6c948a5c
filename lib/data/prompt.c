/* prompt: a group as the messages of a conversation.
 * Which hint, if any, is the caller's; templates and ids are chat.c's. */
#include <stdlib.h>
#include <string.h>
#include "data/prompt.h"
#include "data/chat.h"

#define MARK "<image>"

static int count_marks(const char *s)
{
    int n = 0;
    for (; (s = strstr(s, MARK)); s += strlen(MARK)) n++;
    return n;
}

/* The question's parts in their order; cuts `question` at its marks. Returns their number. */
static int cut_question(struct ptd_part *parts, char *question, const struct ptd_group *g)
{
    int n = 0, used = 0;
    if (!count_marks(question))
        while (used < g->n_pictures) parts[n++].picture = &g->pictures[used++];
    for (char *mark; (mark = strstr(question, MARK)); question = mark + strlen(MARK)) {
        *mark = 0;
        parts[n++].text = question;
        parts[n++].picture = &g->pictures[used++];
    }
    parts[n++].text = question;
    return n;
}

static int render(const struct ptd_tokenizer *t, const struct ptd_config *c, const char *system,
                  const struct ptd_part *parts, int n_parts, int32_t **ids)
{
    const struct ptd_part words = {.text = system};
    const struct ptd_message messages[] = {{.role = "system", .parts = &words, .n_parts = 1},
                                           {.role = "user", .parts = parts, .n_parts = n_parts}};
    const struct ptd_chat chat = {messages + !system, 2 - !system, .reply = 1};
    return ptd_chat_render(t, c, &chat, ids);
}

int ptd_prompt_render(const struct ptd_tokenizer *t, const struct ptd_config *c,
                      const struct ptd_group *g, const char *hint, int32_t **ids)
{
    char *question = ptd_strdup(g->question ? g->question : "");
    int marks = count_marks(question), n;
    struct ptd_part *parts = ptd_array(2 * (size_t)g->n_pictures + 3, sizeof *parts);
    *ids = NULL;
    if (marks && marks != g->n_pictures) {
        n = ptd_fail(PTD_DATAERR,
                     "question has %d <image> marks, expected %d, one for each picture", marks,
                     g->n_pictures);
    } else {
        n = cut_question(parts, question, g);
        if (hint) parts[n++].text = "\nHint: ", parts[n++].text = hint;
        n = render(t, c, g->system, parts, n, ids);
    }
    free(parts);
    free(question);
    return n;
}
