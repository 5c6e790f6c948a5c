/* chat: the two chat templates in C.
 * Which messages make up a prompt is prompt.c's; pictures arrive already resized. */
#include "data/chat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START "<|im_start|>"
#define END   "<|im_end|>"
#define OPEN  "<think>"
#define CLOSE "</think>"

/* A text, and for each of its bytes whether others wrote it (1) or the template (0). */
struct words {
    struct ptd_buf text, is_data;
};

/* What is being written. */
struct script {
    const struct ptd_config *config;
    const struct ptd_chat *chat;
    struct words out;
    int pictures, query; /* pictures so far; index of the user's last question */
};

static void put_bytes(struct words *w, const char *s, size_t n, int is_data)
{
    static const char ours[256], others[256] = {[0 ... 255] = 1};
    ptd_buf_add(&w->text, s, n);
    for (size_t left = n, k; left; left -= k)
        ptd_buf_add(&w->is_data, is_data ? others : ours, k = left < 256 ? left : 256);
}

static void put(struct words *w, const char *template)
{
    put_bytes(w, template, strlen(template), 0);
}

static void words_clear(struct words *w)
{
    free(w->text.data);
    free(w->is_data.data);
    *w = (struct words){0};
}

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

static int put_picture(struct script *s, struct words *out, const struct ptd_message *m,
                       const struct ptd_picture *p)
{
    if (strcmp(m->role, "user"))
        return ptd_fail(PTD_DATAERR,
                        "a picture in a message of the %s, expected it in one of the user",
                        m->role);
    char number[40];
    long n = picture_tokens(s->config, p);
    if (!n) return -1;
    snprintf(number, sizeof number, "Picture %d: ", ++s->pictures);
    if (s->chat->numbered) put(out, number);
    put(out, "<|vision_start|>");
    while (n--) put(out, "<|image_pad|>");
    put(out, "<|vision_end|>");
    return 0;
}

/* All parts of m in one text, which ends with a NUL. */
static int content_of(struct script *s, const struct ptd_message *m, struct words *content)
{
    int bad = 0;
    *content = (struct words){0};
    for (int i = 0; i < m->n_parts && !bad; i++) {
        const char *text = m->parts[i].text;
        if (text)
            put_bytes(content, text, strlen(text), 1);
        else
            bad = put_picture(s, content, m, m->parts[i].picture);
    }
    put_bytes(content, "", 1, 0);
    if (bad) words_clear(content);
    return bad;
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

/* A part of the content or, where it lies elsewhere, of a given thought. */
static void put_span(struct words *out, const struct words *content, struct span s)
{
    const struct ptd_buf *text = &content->text;
    if (s.at < text->data || s.at > text->data + text->len) {
        put_bytes(out, s.at, s.n, 1);
        return;
    }
    ptd_buf_add(&out->text, s.at, s.n);
    ptd_buf_add(&out->is_data, content->is_data.data + (s.at - text->data), s.n);
}

static void put_answer(struct script *s, int i, const struct words *text)
{
    const char *given = s->chat->messages[i].thought;
    struct span content = {text->text.data, text->text.len - 1}, thought = {"", 0};
    if (given)
        thought = span_of(given, given + strlen(given));
    else
        cut_thought(&content, &thought);
    if (i > s->query && (i + 1 == s->chat->n_messages || thought.n)) {
        put(&s->out, OPEN "\n");
        put_span(&s->out, text, trim_lines(thought));
        put(&s->out, "\n" CLOSE "\n\n");
        content = skip_lines(content);
    }
    put_span(&s->out, text, content);
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
    struct words text;
    if (content_of(s, m, &text) < 0) return -1;
    put(&s->out, START);
    put(&s->out, m->role);
    put(&s->out, "\n");
    if (assistant && s->config->thinking)
        put_answer(s, i, &text);
    else
        put_span(&s->out, &text, (struct span){text.text.data, text.text.len - 1});
    put(&s->out, END "\n");
    words_clear(&text);
    return 0;
}

/* A user's turn that only hands back what a tool said is no question. */
static int is_question(struct script *s, const struct ptd_message *m)
{
    static const char head[] = "<tool_response>", tail[] = "</tool_response>";
    struct words content;
    if (strcmp(m->role, "user")) return 0;
    if (content_of(s, m, &content) < 0) return 1;
    const char *text = content.text.data;
    size_t n = content.text.len - 1, k = strlen(tail);
    int handed = n >= k && !strncmp(text, head, strlen(head)) && !strcmp(text + n - k, tail);
    words_clear(&content);
    return !handed;
}

static int last_question(struct script *s)
{
    int i = s->chat->n_messages - 1;
    while (i >= 0 && !is_question(s, &s->chat->messages[i])) i--;
    s->pictures = 0;
    return i >= 0 ? i : s->chat->n_messages - 1;
}

/* The whole conversation; its text ends with a NUL. */
static int write_chat(const struct ptd_config *c, const struct ptd_chat *chat, struct words *out)
{
    int bad = 0;
    struct script s = {.config = c, .chat = chat};
    s.query = last_question(&s);
    for (int i = 0; i < chat->n_messages && !bad; i++) bad = put_message(&s, i);
    if (chat->reply) put(&s.out, c->thinking ? START "assistant\n" OPEN "\n" : START "assistant\n");
    put_bytes(&s.out, "", 1, 0);
    if (bad) words_clear(&s.out);
    *out = s.out;
    return bad;
}

char *ptd_chat_text(const struct ptd_config *c, const struct ptd_chat *chat)
{
    struct words w;
    if (write_chat(c, chat, &w) < 0) return NULL;
    free(w.is_data.data);
    return w.text.data;
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
    struct words w;
    if (write_chat(c, chat, &w) < 0) return -1;
    int n = ptd_tokenizer_encode_mixed(t, w.text.data, w.is_data.data, w.text.len - 1, ids);
    words_clear(&w);
    if (n >= 0 && check_pictures(c, chat, *ids, n) < 0) {
        free(*ids);
        *ids = NULL;
        return -1;
    }
    return n;
}
