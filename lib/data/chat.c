/* chat: the two chat templates in C, and which of them a store has.
 * Which messages make up a prompt is prompt.c's; pictures arrive already resized. */
#include "data/chat.h"
#include "base/json.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START "<|im_start|>"
#define END   "<|im_end|>"
#define MARK  "<|vision_start|><|image_pad|><|vision_end|>"
#define OPEN  "<think>"
#define CLOSE "</think>"

/* What is being written. */
struct script {
    const struct ptd_config *config;
    const struct ptd_chat *chat;
    FILE *out;
    int pictures, query; /* pictures so far; index of the user's last question */
};

/* ---- parts ---- */

/* Image tokens of p; 0 after a failure. */
static long picture_tokens(const struct ptd_config *c, const struct ptd_picture *p)
{
    int factor = c->v_patch * c->v_merge;
    if (p->height >= factor && p->width >= factor && p->height % factor == 0 &&
        p->width % factor == 0)
        return (long)(p->height / factor) * (p->width / factor);
    ptd_fail(PTD_DATAERR, "picture of %dx%d pixels: expected sides that are multiples of %d",
             p->width, p->height, factor);
    return 0;
}

static int put_picture(struct script *s, FILE *out, const struct ptd_message *m,
                       const struct ptd_picture *p)
{
    if (strcmp(m->role, "user"))
        return ptd_fail(PTD_DATAERR,
                        "a picture in a message of the %s, expected it in one of the user",
                        m->role);
    long n = picture_tokens(s->config, p);
    if (!n) return -1;
    s->pictures++;
    if (s->chat->numbered) fprintf(out, "Picture %d: ", s->pictures);
    fputs("<|vision_start|>", out);
    while (n--) fputs("<|image_pad|>", out);
    fputs("<|vision_end|>", out);
    return 0;
}

static ssize_t keep(void *text, const char *p, size_t n)
{
    ptd_buf_add(text, p, n);
    return (ssize_t)n;
}

/* A file in memory. open_memstream would not do: out of memory it goes on without what it could not
 * keep. */
static FILE *memory(struct ptd_buf *text)
{
    FILE *out = fopencookie(text, "w", (cookie_io_functions_t){.write = keep});
    if (!out) ptd_die(PTD_OSERR, "out of memory for a prompt");
    return out;
}

static char *finish(FILE *out, struct ptd_buf *text)
{
    if (fclose(out)) ptd_die(PTD_OSERR, "out of memory for a prompt");
    ptd_buf_add(text, "", 1);
    return text->data;
}

/* All parts of m in one text, malloc'd; NULL on failure. */
static char *content_of(struct script *s, const struct ptd_message *m)
{
    struct ptd_buf text = {0};
    int bad = 0;
    FILE *out = memory(&text);
    for (int i = 0; i < m->n_parts && !bad; i++) {
        if (m->parts[i].text)
            fputs(m->parts[i].text, out);
        else
            bad = put_picture(s, out, m, m->parts[i].picture);
    }
    char *all = finish(out, &text);
    if (!bad) return all;
    free(all);
    return NULL;
}

/* ---- thoughts ---- */

struct span {
    const char *at;
    size_t n;
};

static struct span span_of(const char *from, const char *to)
{
    return (struct span){from, to - from};
}

static struct span skip_lines(struct span s)
{
    while (s.n && *s.at == '\n') s.at++, s.n--;
    return s;
}

static struct span trim_lines(struct span s)
{
    s = skip_lines(s);
    while (s.n && s.at[s.n - 1] == '\n') s.n--;
    return s;
}

/* The last `what` in s; NULL if there is none. */
static const char *last_of(struct span s, const char *what)
{
    const char *found = NULL, *p = s.at;
    size_t n = strlen(what);
    while ((p = memmem(p, s.at + s.n - p, what, n))) found = p, p += n;
    return found;
}

/* Cuts an assistant's text: the thought is what stands between the last <think> and the first
 * </think>, the answer what follows the last </think>. */
static void cut_thought(struct span *content, struct span *thought)
{
    const char *first = memmem(content->at, content->n, CLOSE, strlen(CLOSE)), *open;
    if (!first) return;
    *thought = span_of(content->at, first);
    if ((open = last_of(*thought, OPEN))) *thought = span_of(open + strlen(OPEN), first);
    *thought = trim_lines(*thought);
    const char *rest = last_of(*content, CLOSE) + strlen(CLOSE);
    *content = skip_lines(span_of(rest, content->at + content->n));
}

static void put_span(FILE *out, struct span s)
{
    fwrite(s.at, 1, s.n, out);
}

static void put_answer(struct script *s, int i, const char *text)
{
    const char *given = s->chat->messages[i].thought;
    struct span content = {text, strlen(text)}, thought = {"", 0};
    if (given)
        thought = span_of(given, given + strlen(given));
    else
        cut_thought(&content, &thought);
    if (i > s->query && (i + 1 == s->chat->n_messages || thought.n)) {
        fputs(OPEN "\n", s->out);
        put_span(s->out, trim_lines(thought));
        fputs("\n" CLOSE "\n\n", s->out);
        content = skip_lines(content);
    }
    put_span(s->out, content);
}

/* ---- messages ---- */

static int put_message(struct script *s, int i)
{
    const struct ptd_message *m = &s->chat->messages[i];
    int assistant = strcmp(m->role, "assistant") == 0;
    if (!assistant && strcmp(m->role, "user") && (i || strcmp(m->role, "system")))
        return ptd_fail(PTD_DATAERR,
                        "message %d is of the role \"%s\": expected user or assistant%s", i + 1,
                        m->role, i ? "" : " or system");
    char *text = content_of(s, m);
    if (!text) return -1;
    fprintf(s->out, START "%s\n", m->role);
    if (assistant && s->config->thinking)
        put_answer(s, i, text);
    else
        fputs(text, s->out);
    fputs(END "\n", s->out);
    free(text);
    return 0;
}

/* A user's turn that only hands back what a tool said is no question. */
static int is_question(struct script *s, const struct ptd_message *m)
{
    static const char head[] = "<tool_response>", tail[] = "</tool_response>";
    if (strcmp(m->role, "user")) return 0;
    char *text = content_of(s, m);
    size_t n = text ? strlen(text) : 0, k = strlen(tail);
    int handed = n >= k && !strncmp(text, head, strlen(head)) && !strcmp(text + n - k, tail);
    free(text);
    return !handed;
}

static int last_question(struct script *s)
{
    int i = s->chat->n_messages - 1;
    while (i >= 0 && !is_question(s, &s->chat->messages[i])) i--;
    s->pictures = 0;
    return i >= 0 ? i : s->chat->n_messages - 1;
}

char *ptd_chat_text(const struct ptd_config *c, const struct ptd_chat *chat)
{
    struct ptd_buf text = {0};
    int bad = 0;
    struct script s = {.config = c, .chat = chat, .out = memory(&text)};
    s.query = last_question(&s);
    for (int i = 0; i < chat->n_messages && !bad; i++) bad = put_message(&s, i);
    if (chat->reply)
        fputs(c->thinking ? START "assistant\n" OPEN "\n" : START "assistant\n", s.out);
    char *all = finish(s.out, &text);
    if (!bad) return all;
    free(all);
    return NULL;
}

/* ---- ids ---- */

int ptd_chat_check(const struct ptd_tokenizer *t, const struct ptd_config *c)
{
    const struct {
        const char *text;
        int id;
    } want[] = {{"<|vision_start|>", c->vision_start},
                {"<|vision_end|>", c->vision_end},
                {"<|image_pad|>", c->image_token}};
    if (ptd_tokenizer_id(t, START) < 0 || ptd_tokenizer_id(t, END) < 0)
        return ptd_fail(PTD_CONFIG,
                        "tokenizer lacks " START " or " END ", which the chat template needs");
    for (int i = 0; i < 3; i++)
        if (ptd_tokenizer_id(t, want[i].text) != want[i].id)
            return ptd_fail(PTD_CONFIG, "%s is token %d in the tokenizer, %d in the model's config",
                            want[i].text, ptd_tokenizer_id(t, want[i].text), want[i].id);
    return 0;
}

/* The pictures' tokens and nothing else of their kind. */
static int check_pictures(const struct ptd_config *c, const struct ptd_chat *chat,
                          const int32_t *ids, int n)
{
    long pads = 0, starts = 0, ends = 0, videos = 0, pictures = 0, want = 0;
    for (int i = 0; i < n; i++) {
        pads += ids[i] == c->image_token, videos += ids[i] == c->video_token;
        starts += ids[i] == c->vision_start, ends += ids[i] == c->vision_end;
    }
    for (int i = 0; i < chat->n_messages; i++)
        for (int k = 0; k < chat->messages[i].n_parts; k++) {
            const struct ptd_part *p = &chat->messages[i].parts[k];
            if (!p->text) pictures++, want += picture_tokens(c, p->picture);
        }
    if (pads == want && starts == pictures && ends == pictures && !videos) return 0;
    return ptd_fail(PTD_DATAERR, "question or hint spells a picture token (<|vision_start|>, "
                                 "<|image_pad|>, ...); use <image>");
}

int ptd_chat_render(const struct ptd_tokenizer *t, const struct ptd_config *c,
                    const struct ptd_chat *chat, int32_t **ids)
{
    *ids = NULL;
    if (ptd_chat_check(t, c) < 0) return -1;
    char *text = ptd_chat_text(c, chat);
    if (!text) return -1;
    int n = ptd_tokenizer_encode(t, text, strlen(text), ids);
    free(text);
    if (n >= 0 && check_pictures(c, chat, *ids, n) < 0) {
        free(*ids);
        *ids = NULL;
        return -1;
    }
    return n;
}

/* ---- which template ---- */

/* Where a turn of the template begins with words of its own, such as an assistant introduced by
 * default; NULL: nowhere. */
static const char *own_words(const char *jinja)
{
    while ((jinja = strstr(jinja, START))) {
        jinja += strlen(START);
        jinja += strspn(jinja, "abcdefghijklmnopqrstuvwxyz"); /* a role, if it is written out */
        while (*jinja && (strchr(" \n", *jinja) || !strncmp(jinja, "\\n", 2)))
            jinja += *jinja == '\\' ? 2 : 1;
        if (isalpha((unsigned char)*jinja)) return jinja;
    }
    return NULL;
}

int ptd_template_thinks(const char *jinja)
{
    static const char *const parts[] = {START, END, MARK, "add_generation_prompt"};
    if (!jinja) return 0;
    for (int i = 0; i < 4; i++)
        if (!strstr(jinja, parts[i]))
            return ptd_fail(
                PTD_CONFIG,
                "neither Qwen3-VL's chat template of Instruct nor that of Thinking: no %s in it",
                parts[i]);
    const char *from = own_words(jinja);
    if (from)
        return ptd_fail(
            PTD_CONFIG,
            "neither Qwen3-VL's chat template of Instruct nor that of Thinking: \"%.20s...\" in it",
            from);
    from = strstr(last_of((struct span){jinja, strlen(jinja)}, "add_generation_prompt"), OPEN);
    return from && !strstr(from, CLOSE);
}

/* Field "chat_template" of a JSON text, if there is one that is text: malloc'd into *jinja. */
static int template_in(char **jinja, const char *file, const char *json)
{
    json_error_t e;
    json_t *root = ptd_json_load(json, strlen(json), 0, &e);
    const char *s = json_string_value(json_object_get(root, "chat_template"));
    if (!root)
        return ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", file, e.line, e.column, e.text);
    if (s) *jinja = ptd_strdup(s);
    json_decref(root);
    return 0;
}

const char *const ptd_template_files[PTD_TEMPLATE_FILES] = {
    "chat_template.jinja", "chat_template.json", "tokenizer_config.json"};

int ptd_template_choose(const char *const text[PTD_TEMPLATE_FILES])
{
    char *jinja = text[0] ? ptd_strdup(text[0]) : NULL;
    int rc = 0, from = 0;
    for (int i = 1; i < PTD_TEMPLATE_FILES && !jinja && rc == 0; i++)
        if (text[i]) rc = template_in(&jinja, ptd_template_files[from = i], text[i]);
    if (rc == 0 && (rc = ptd_template_thinks(jinja)) < 0)
        ptd_fail(PTD_CONFIG, "%s: %s", ptd_template_files[from], ptd_failed_message());
    free(jinja);
    return rc;
}

int ptd_template_read(struct ptd_config *c, struct ptd_store *s)
{
    char *text[PTD_TEMPLATE_FILES];
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++)
        text[i] = ptd_store_get_meta(s, ptd_template_files[i], NULL);
    int thinks = ptd_template_choose((const char *const *)text);
    for (int i = 0; i < PTD_TEMPLATE_FILES; i++) free(text[i]);
    c->thinking = thinks > 0;
    return thinks < 0
               ? ptd_fail(ptd_failed_status(), "%s: %s", ptd_store_path(s), ptd_failed_message())
               : 0;
}
