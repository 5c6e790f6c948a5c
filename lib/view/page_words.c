/* Names of the tokens that a page shows.
 * Leaves to the tokenizer: what they are. */
#include "method/source.h"
#include "view/page_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define NAMED 13 /* bytes about a name: its id, quotes and commas */

int ptd_page_words_open(struct ptd_page_words *w, const char *store)
{
    struct ptd_store *s;
    *w = (struct ptd_page_words){0};
    if (!store || ptd_store_open(&s, store, PTD_STORE_READ) < 0) return -1;
    w->tokenizer = ptd_source_tokenizer(s);
    ptd_store_close(s);
    if (!w->tokenizer) return -1;
    w->n = ptd_tokenizer_size(w->tokenizer);
    w->used = ptd_alloc((size_t)w->n + 1);
    return 0;
}

static void use(struct ptd_page_words *w, int32_t id)
{
    size_t n;
    if (id < 0 || id >= w->n || w->used[id]) return;
    w->used[id] = 1;
    ptd_tokenizer_bytes(w->tokenizer, id, &n);
    w->bytes += n + NAMED;
}

void ptd_page_words_note(struct ptd_page_words *w, const struct ptd_group *g,
                         const struct ptd_page_detail *d)
{
    struct ptd_page_word word[PTD_PAGE_WORDS];
    for (int i = 0; w->tokenizer && d->numbers && i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        for (int t = 0; t < y->n; t++) {
            int n = ptd_page_beside(y, t, d, word);
            use(w, y->ids[t]);
            for (int k = 0; k < n; k++) use(w, word[k].id);
        }
    }
}

/* Characters that stand alone. */
static int is_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t len =
            utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &c);
        if (len <= 0) return 0;
        i += (size_t)len;
    }
    return 1;
}

static void put_special(const struct ptd_page_words *w, struct ptd_jot *j, int32_t id)
{
    char *text = ptd_tokenizer_decode(w->tokenizer, &id, 1, 0);
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "s"), ptd_jot_text(j, text);
    ptd_jot_close(j, '}');
    free(text);
}

static void put_word(const struct ptd_page_words *w, struct ptd_jot *j, int32_t id)
{
    size_t n;
    const char *bytes = ptd_tokenizer_bytes(w->tokenizer, id, &n);
    if (!n) {
        put_special(w, j, id);
        return;
    }
    if (is_text(bytes, n)) {
        ptd_jot_bytes(j, bytes, n);
        return;
    }
    ptd_jot_open(j, '[');
    for (size_t i = 0; i < n; i++) ptd_jot_int(j, (unsigned char)bytes[i]);
    ptd_jot_close(j, ']');
}

void ptd_page_words_put(const struct ptd_page_words *w, struct ptd_jot *j)
{
    char key[16];
    ptd_jot_open(j, '{');
    for (int id = 0; id < w->n; id++) {
        if (!w->used[id]) continue;
        snprintf(key, sizeof key, "%d", id);
        ptd_jot_key(j, key);
        put_word(w, j, id);
    }
    ptd_jot_close(j, '}');
}

void ptd_page_words_close(struct ptd_page_words *w)
{
    ptd_tokenizer_free(w->tokenizer);
    free(w->used);
    *w = (struct ptd_page_words){0};
}
