/* dataset_chat: a row's prompt, a text or the turns of a conversation, and what a turn's content
 * says. Where pictures come in it is dataset_marks.c's. */
#include "data/dataset_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS PTD_LIST_MAX

static const char *const prompt_keys[] = {"prompt",   "problem",       "question",
                                          "messages", "conversations", NULL};

/* ---- content ---- */

struct content {
    struct ptd_row *r;
    const char *key;
    int turn, part; /* from 1; turn 0: the field itself */
    struct ptd_buf text;
};

static int bad_part(struct content *c, const char *what, const char *expected)
{
    char turn[32] = "";
    if (c->turn) snprintf(turn, sizeof turn, "turn %d: ", c->turn);
    return ptd_row_fault(c->r, PTD_DATAERR, c->key, "%spart %d: %.60s, expected %s", turn, c->part,
                         what, expected);
}

static void add(struct content *c, const char *s)
{
    ptd_buf_add(&c->text, s, strlen(s));
}

/* A picture that the part brings, or the next of the row's own. */
static int add_picture(struct content *c, const json_t *v)
{
    struct ptd_row *r = c->r;
    char mark[24] = PTD_MARK;
    r->n_parts++;
    if (ptd_picture_inner(v)) {
        if (r->n_own == PTD_DATASET_LIST)
            return ptd_row_fault(r, PTD_DATAERR, c->key, "expected at most %d pictures",
                                 PTD_DATASET_LIST);
        r->own[r->n_own] = (struct ptd_picture_source){c->key, r->n_own + 1, v};
        r->n_own++;
        snprintf(mark, sizeof mark, PTD_OWN_MARK, r->n_own);
    }
    add(c, mark);
    return 0;
}

static int is_one_of(const char *s, const char *const *names)
{
    while (*names && strcmp(s, *names) != 0) names++;
    return *names != NULL;
}

static int add_part(struct content *c, const json_t *v)
{
    static const char *const texts[] = {"text", "input_text", NULL};
    static const char *const pictures[] = {"image", "image_url", "input_image", NULL};
    const char *s = json_string_value(v), *type = json_string_value(json_object_get(v, "type"));
    const json_t *text = json_object_get(v, "text");
    if (s) return add(c, s), 0;
    if (!json_is_object(v)) return bad_part(c, ptd_json_kind(v), "text or an object");
    if (!type) type = json_is_string(text) ? "text" : ptd_picture_inner(v) ? "image" : "of no type";
    if (is_one_of(type, pictures)) return add_picture(c, v);
    if (!is_one_of(type, texts)) return bad_part(c, type, "\"text\" or \"image\"");
    if (!json_is_string(text)) return bad_part(c, "\"text\" missing or no text", "text");
    return add(c, json_string_value(text)), 0;
}

char *ptd_row_content(struct ptd_row *r, const char *key, int turn, const json_t *content)
{
    struct content c = {r, key, turn};
    int bad = 0;
    if (json_is_string(content)) return ptd_strdup(json_string_value(content));
    if (!json_is_array(content)) {
        ptd_row_fault(r, PTD_DATAERR, key, "turn %d: content: %s, expected text or a list of parts",
                      turn, ptd_json_kind(content));
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(content) && !bad; i++) {
        c.part = (int)i + 1;
        bad = add_part(&c, json_array_get(content, i));
    }
    ptd_buf_add(&c.text, "", 1);
    if (!bad) return c.text.data;
    free(c.text.data);
    return NULL;
}

/* ---- turns ---- */

static const json_t *either(const json_t *v, const char *first, const char *second)
{
    const json_t *found = json_object_get(v, first);
    return found && !json_is_null(found) ? found : json_object_get(v, second);
}

/* "user" of "human", and the like; NULL: unknown. */
static const char *role_of(const json_t *v)
{
    static const char *const roles[][2] = {{"system", "system"},       {"user", "user"},
                                           {"human", "user"},          {"developer", "system"},
                                           {"assistant", "assistant"}, {"gpt", "assistant"},
                                           {"model", "assistant"}};
    const char *name = json_string_value(either(v, "role", "from"));
    for (size_t i = 0; name && i < sizeof roles / sizeof *roles; i++)
        if (strcasecmp(roles[i][0], name) == 0) return roles[i][1];
    return NULL;
}

static int read_turn(struct ptd_row *r, const char *key, int i, const json_t *v,
                     struct ptd_turn *turn)
{
    if (!json_is_object(v))
        return ptd_row_fault(r, PTD_DATAERR, key, "turn %d: %s, expected {\"role\", \"content\"}",
                             i, ptd_json_kind(v));
    const char *name = json_string_value(either(v, "role", "from"));
    turn->role = role_of(v);
    if (!turn->role)
        return ptd_row_fault(r, PTD_DATAERR, key,
                             "turn %d: role \"%.40s\", expected system, user or assistant", i,
                             name ? name : "");
    if (i > 1 && strcmp(turn->role, "system") == 0)
        return ptd_row_fault(r, PTD_DATAERR, key, "turn %d: a system message, expected it first",
                             i);
    if (ptd_brings_picture(v))
        return ptd_row_fault(r, PTD_DATAERR, key,
                             "turn %d: pictures beside its content, expected them in it, or in "
                             "field \"images\" of the row",
                             i);
    int parts = r->n_parts;
    char *text = ptd_row_content(r, key, i, either(v, "content", "value"));
    if (!text) return -1;
    turn->text = ptd_row_keep(r, key, text);
    free(text);
    if (r->n_parts > parts && strcmp(turn->role, "user") != 0)
        return ptd_row_fault(r, PTD_DATAERR, key,
                             "turn %d: a picture, expected pictures in a user's turn only", i);
    if (!ptd_blank_text(turn->text)) return 0;
    return ptd_row_fault(r, PTD_DATAERR, key, "turn %d: empty, expected text", i);
}

static int is(const struct ptd_turn *t, const char *role)
{
    return strcmp(t->role, role) == 0;
}

/* What is said last may be the answer, but not in a prompt, which somebody has to answer. */
static int take_reply(struct ptd_row *r, const char *key, struct ptd_turn *turns, int n)
{
    if (!n || !is(&turns[n - 1], "assistant")) return n;
    if (strcmp(key, "messages") && strcmp(key, "conversations")) return n;
    r->reply = turns[n - 1].text;
    r->reply_key = key;
    return n - 1;
}

static void take_turns(struct ptd_row *r, const char *key, struct ptd_turn *turns, int n)
{
    n = take_reply(r, key, turns, n);
    if (!n || !is(&turns[n - 1], "user")) {
        ptd_row_fault(r, PTD_DATAERR, key, "turn %d: expected a user's turn last", n ? n : 1);
        return;
    }
    if (n > 1 && is(turns, "system")) {
        r->g->system = turns->text;
        turns++, n--;
    }
    r->stem = r->g->question = turns[n - 1].text;
    r->g->turns = turns;
    r->g->n_turns = n - 1;
}

static void read_turns(struct ptd_row *r, const char *key, const json_t *list)
{
    int n = (int)json_array_size(list), bad = 0;
    struct ptd_turn turns[TURNS + 1], *kept;
    if (n < 1 || n > TURNS) {
        ptd_row_fault(r, PTD_DATAERR, key, "%d turns, expected 1 to %d", n, TURNS);
        return;
    }
    for (int i = 0; i < n; i++) bad |= read_turn(r, key, i + 1, json_array_get(list, i), &turns[i]);
    if (bad) return;
    kept = ptd_group_alloc(r->g, (size_t)n * sizeof *kept);
    memcpy(kept, turns, (size_t)n * sizeof *kept);
    take_turns(r, key, kept, n);
}

void ptd_row_prompt(struct ptd_row *r)
{
    const char *key;
    json_t *v = ptd_row_value(r, prompt_keys, &key);
    r->prompt_key = key;
    if (json_is_array(v))
        read_turns(r, key, v);
    else if (!json_is_string(v))
        ptd_row_wrong(
            r, key, v,
            "text or a list of turns (or field \"problem\", \"question\", \"messages\" or "
            "\"conversations\")");
    else if (ptd_blank_text(json_string_value(v)))
        ptd_row_fault(r, PTD_DATAERR, key, "empty, expected a question");
    else
        r->stem = r->g->question = ptd_row_keep(r, key, json_string_value(v));
}
