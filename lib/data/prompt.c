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

struct prompt {
    const struct ptd_group *g;
    struct ptd_message *messages;
    struct ptd_part *parts; /* room for those of all messages */
    char *texts;            /* room for those of all users' turns, cut at their marks */
    int n_messages, n_parts, n_shown;
};

static int is_user(const struct ptd_turn *t)
{
    return strcmp(t->role, "user") == 0;
}

static int all_marks(const struct ptd_group *g)
{
    int n = count_marks(g->question ? g->question : "");
    for (int i = 0; i < g->n_turns; i++)
        if (is_user(&g->turns[i])) n += count_marks(g->turns[i].text);
    return n;
}

static void begin(struct prompt *p, const char *role)
{
    p->messages[p->n_messages++] =
        (struct ptd_message){.role = role, .parts = &p->parts[p->n_parts]};
}

static void add_text(struct prompt *p, const char *text)
{
    p->parts[p->n_parts++].text = text;
    p->messages[p->n_messages - 1].n_parts++;
}

static void add_picture(struct prompt *p)
{
    p->parts[p->n_parts++].picture = &p->g->pictures[p->n_shown++];
    p->messages[p->n_messages - 1].n_parts++;
}

/* A user's turn: its text, and a picture for each mark. */
static void add_user(struct prompt *p, const char *text)
{
    char *rest = p->texts;
    p->texts = stpcpy(p->texts, text) + 1;
    begin(p, "user");
    if (!all_marks(p->g))
        while (p->n_shown < p->g->n_pictures) add_picture(p);
    for (char *mark; (mark = strstr(rest, MARK)); rest = mark + strlen(MARK)) {
        *mark = 0;
        add_text(p, rest);
        add_picture(p);
    }
    add_text(p, rest);
}

static void add_all(struct prompt *p, const char *hint)
{
    const struct ptd_group *g = p->g;
    if (g->system) begin(p, "system"), add_text(p, g->system);
    for (int i = 0; i < g->n_turns; i++)
        if (is_user(&g->turns[i]))
            add_user(p, g->turns[i].text);
        else
            begin(p, g->turns[i].role), add_text(p, g->turns[i].text);
    add_user(p, g->question ? g->question : "");
    if (hint) add_text(p, "\nHint: "), add_text(p, hint);
}

static size_t text_bytes(const struct ptd_group *g)
{
    size_t n = g->question ? strlen(g->question) + 1 : 1;
    for (int i = 0; i < g->n_turns; i++) n += strlen(g->turns[i].text) + 1;
    return n;
}

const char *ptd_prompt_without_pictures(struct ptd_group *g)
{
    const size_t n = strlen(MARK);
    char *question = ptd_group_text(g, "%s", g->question ? g->question : ""), *out = question;
    for (const char *s = question; *s; s++) {
        *out++ = *s;
        if ((size_t)(out - question) >= n && memcmp(out - n, MARK, n) == 0) out -= n;
    }
    *out = '\0';
    return question;
}

int ptd_prompt_render(const struct ptd_tokenizer *t, const struct ptd_config *c,
                      const struct ptd_group *g, const char *hint, int32_t **ids)
{
    int marks = all_marks(g);
    *ids = NULL;
    if (marks && marks != g->n_pictures)
        return ptd_fail(PTD_DATAERR,
                        "question has %d <image> marks, expected %d, one for each picture", marks,
                        g->n_pictures);
    char *texts = ptd_malloc(text_bytes(g));
    struct prompt p = {.g = g, .texts = texts};
    p.messages = ptd_array((size_t)g->n_turns + 2, sizeof *p.messages);
    p.parts = ptd_array(2 * (size_t)g->n_pictures + (size_t)g->n_turns + 4, sizeof *p.parts);
    add_all(&p, hint);
    const struct ptd_chat chat = {p.messages, p.n_messages, .reply = 1};
    int n = ptd_chat_render(t, c, &chat, ids);
    free(p.parts);
    free(p.messages);
    free(texts);
    return n;
}
