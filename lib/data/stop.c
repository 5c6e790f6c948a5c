/* stop: the texts and, for each of their bytes, how much of a text is still there where the next
 * byte is another. */
#include "data/stop.h"
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    int len, *back; /* back[i]: the longest end of bytes[0 .. i] that is a beginning, too */
};
struct ptd_stop {
    const struct ptd_tokenizer *tokenizer;
    struct text *texts;
    int n;
};

/* How much of the text ends with byte c, where `at` of it ended before. */
static int next(const struct text *t, int at, char c)
{
    while (at && (at == t->len || t->bytes[at] != c)) at = t->back[at - 1];
    return at + (t->bytes[at] == c);
}

static struct text text_new(const char *bytes)
{
    struct text t = {ptd_strdup(bytes), (int)strlen(bytes), NULL};
    t.back = ptd_array(t.len, sizeof *t.back);
    for (int i = 1; i < t.len; i++) t.back[i] = next(&t, t.back[i - 1], t.bytes[i]);
    return t;
}

struct ptd_stop *ptd_stop_new(const struct ptd_tokenizer *t, const char *const *texts, int n)
{
    struct ptd_stop *s = ptd_alloc(sizeof *s);
    *s = (struct ptd_stop){t, ptd_array(n, sizeof *s->texts), n};
    for (int i = 0; i < n; i++) s->texts[i] = text_new(texts[i]);
    return s;
}

void ptd_stop_free(struct ptd_stop *s)
{
    for (int i = 0; s && i < s->n; i++) {
        free(s->texts[i].bytes);
        free(s->texts[i].back);
    }
    if (s) free(s->texts);
    free(s);
}

int ptd_stop_places(const struct ptd_stop *s)
{
    return s ? s->n : 0;
}

/* The next byte; 1: a text is whole. */
static int feed(const struct ptd_stop *s, int *at, char c)
{
    int whole = 0;
    for (int k = 0; k < s->n; k++) {
        at[k] = next(&s->texts[k], at[k], c);
        whole |= at[k] == s->texts[k].len;
    }
    return whole;
}

int ptd_stop_feed(const struct ptd_stop *s, int *at, int32_t id)
{
    size_t n;
    const char *bytes = ptd_tokenizer_bytes(s->tokenizer, id, &n);
    int whole = 0;
    for (size_t i = 0; i < n; i++) whole |= feed(s, at, bytes[i]);
    return whole;
}

size_t ptd_stop_end(const struct ptd_stop *s, const char *text)
{
    int *at = ptd_array(s->n, sizeof *at);
    size_t i = 0;
    while (text[i] && !feed(s, at, text[i++])) {
    }
    free(at);
    return i;
}
