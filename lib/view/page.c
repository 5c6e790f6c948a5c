/* A page of streams and stores.
 * Leaves to page_group.c: what is told of a group; to page.js: how it looks. */
#include "view/page.h"
#include "base/base64.h"
#include "base/printable.h"
#include "flow/stream.h"
#include "view/page_private.h"
#include "view/show.h"
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include <zlib.h>

/* lib/view/page.html with its style, script and policy: builtin.S, view/page.mk */
extern const char ptd_file_page[], ptd_file_page_end[];
#define TITLE "<!--title-->"
#define DATA  "<!--data-->"

#define PICTURE_LEAST 8000 /* bytes that a picture may have in any case, before base64 */
#define PICTURE_MOST  96000
#define GROUP_LEAST   6000       /* of a group without its pictures, about */
#define LINE_MOST     4000       /* of the list's line, about */
#define JSON_MOST     (64 << 20) /* of a group, before it is deflated */

struct ptd_page {
    FILE *out;
    const char *rest; /* of the page, behind the data */
    char *tokens;     /* a store's name, or NULL */
    int streams;
    size_t written;
    double allowed;   /* bytes of all groups so far */
    int detail, form; /* of the last group, and of its picture */
    char (*picture)[17];
    int n_pictures, pictures_cap; /* a power of two */
    struct ptd_page_words words;  /* of the stream at hand */
    struct ptd_jot jot;
};

/* ---- bytes ---- */

static void put(struct ptd_page *p, const char *s, size_t n)
{
    fwrite(s, 1, n, p->out);
    p->written += n;
}

static void say(struct ptd_page *p, const char *s)
{
    put(p, s, strlen(s));
}

static void put_base64(struct ptd_page *p, const void *bytes, size_t n)
{
    char *text = ptd_alloc(PTD_BASE64_LETTERS(n) + 1);
    ptd_base64_encode(bytes, n, text);
    put(p, text, PTD_BASE64_LETTERS(n));
    free(text);
}

static void put_jot(struct ptd_page *p, const char *kind)
{
    say(p, "<script type=\"application/json\" data-is=\"");
    say(p, kind);
    say(p, "\">");
    put(p, p->jot.out.data, p->jot.out.len);
    say(p, "</script>\n");
}

static struct ptd_jot *fresh(struct ptd_page *p)
{
    p->jot.out.len = 0;
    p->jot.behind = 0;
    return &p->jot;
}

/* Raw deflate of the jot, malloc'd. */
static Bytef *deflated(const struct ptd_buf *b, size_t *n)
{
    z_stream z = {.next_in = (Bytef *)b->data, .avail_in = (uInt)b->len};
    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        ptd_die(PTD_OSERR, "out of memory for deflate");
    uLong room = deflateBound(&z, b->len);
    Bytef *out = ptd_alloc(room + 1);
    z.next_out = out;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    *n = z.total_out;
    deflateEnd(&z);
    return out;
}

/* ---- pictures, each once ---- */

static char *place_of(char (*table)[17], int cap, const char *hash)
{
    size_t at = strtoull(hash, NULL, 16);
    while (table[at & (size_t)(cap - 1)][0] && strcmp(table[at & (size_t)(cap - 1)], hash)) at++;
    return table[at & (size_t)(cap - 1)];
}

static void grow(struct ptd_page *p)
{
    int cap = p->pictures_cap ? 2 * p->pictures_cap : 256;
    char(*table)[17] = ptd_array((size_t)cap, sizeof *table);
    for (int i = 0; i < p->pictures_cap; i++)
        if (p->picture[i][0]) strcpy(place_of(table, cap, p->picture[i]), p->picture[i]);
    free(p->picture);
    p->picture = table;
    p->pictures_cap = cap;
}

/* 1: for the first time. */
static int is_new(struct ptd_page *p, const char *hash)
{
    if (2 * p->n_pictures >= p->pictures_cap) grow(p);
    char *place = place_of(p->picture, p->pictures_cap, hash);
    if (*place) return 0;
    strcpy(place, hash);
    p->n_pictures++;
    return 1;
}

static double left(const struct ptd_page *p)
{
    return p->allowed - (double)p->written - (double)p->words.bytes;
}

/* Those of the first groups may be larger, as long as there is plenty left. */
static size_t picture_room(const struct ptd_page *p, int n)
{
    double room = left(p) / 40 / n;
    double least = PICTURE_LEAST / (double)n;
    return (size_t)(room < least ? least : room > PICTURE_MOST ? PICTURE_MOST : room);
}

/* Where a group has so many pictures that the coarsest are too much, the last are left out. */
static int put_picture(struct ptd_page *p, const struct ptd_picture *q, size_t most)
{
    char hash[17];
    size_t n;
    ptd_picture_hash(q->pixels, q->height, q->width, hash);
    if (!is_new(p, hash)) return 0;
    uint8_t *webp = ptd_page_picture(q, most, &p->form, &n);
    if (!webp) return -1;
    if (n > most && left(p) < (double)PTD_BASE64_LETTERS(n) + GROUP_LEAST) {
        WebPFree(webp);
        return 0;
    }
    say(p, "<script type=\"application/json\" data-is=\"picture\" id=\"p");
    say(p, hash);
    say(p, "\">");
    put_base64(p, webp, n);
    say(p, "</script>\n");
    WebPFree(webp);
    return 0;
}

static int put_pictures(struct ptd_page *p, const struct ptd_group *g)
{
    size_t most = picture_room(p, g->n_pictures ? g->n_pictures : 1);
    for (int i = 0; i < g->n_pictures; i++)
        if (put_picture(p, &g->pictures[i], most) < 0) return -1;
    return 0;
}

/* ---- groups ---- */

/* As much of the group as there is room for: what was possible for the last one, or one more. */
static Bytef *fitting(struct ptd_page *p, const struct ptd_group *g, size_t *n)
{
    double room = left(p) - LINE_MOST;
    for (int i = p->detail ? p->detail - 1 : 0;; i++) {
        int last = i + 1 == ptd_page_n_details;
        if (!last && ptd_page_bytes(g, &ptd_page_details[i]) > JSON_MOST) continue;
        ptd_page_group(fresh(p), g, &ptd_page_details[i]);
        Bytef *z = deflated(&p->jot.out, n);
        p->detail = i;
        if (last || (double)PTD_BASE64_LETTERS(*n) <= room) return z;
        free(z);
    }
}

static int put_group(struct ptd_page *p, const struct ptd_group *g)
{
    size_t n;
    p->allowed += PTD_PAGE_GROUP;
    if (put_pictures(p, g) < 0) return -1;
    Bytef *z = fitting(p, g, &n);
    ptd_page_words_note(&p->words, g, &ptd_page_details[p->detail]);
    struct ptd_jot *j = fresh(p);
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "s"), ptd_jot_int(j, p->streams);
    ptd_page_line(j, g);
    ptd_jot_close(j, '}');
    put_jot(p, "group");
    say(p, "<script type=\"application/json\" data-is=\"detail\">");
    put_base64(p, z, n);
    say(p, "</script>\n");
    free(z);
    return 0;
}

/* ---- a stream ---- */

/* The store of a stream may have gone or stand elsewhere; its page then has no names of tokens.
 * -1: 71. */
static int open_words(struct ptd_page *p, const struct ptd_head *h)
{
    if (ptd_page_words_open(&p->words, h->store) == 0) return 0;
    if (ptd_failed_status() == PTD_OSERR) return -1;
    if (p->tokens && ptd_page_words_open(&p->words, p->tokens) == 0) return 0;
    if (ptd_failed_status() == PTD_OSERR) return -1;
    ptd_warn("tokens are shown by their numbers: %s",
             h->store ? ptd_failed_message() : "the stream names no store");
    return 0;
}

static int put_head(struct ptd_page *p, const struct ptd_frame *f, const char *name)
{
    struct ptd_head h;
    if (ptd_head_decode(&h, f->body, f->body_len) < 0) return -1;
    int rc = open_words(p, &h);
    ptd_head_clear(&h);
    if (rc < 0) return -1;
    json_t *shown = ptd_show_frame(f, 0);
    if (!shown) return -1;
    char *head = json_dumps(shown, JSON_COMPACT | JSON_ENSURE_ASCII);
    struct ptd_jot *j = fresh(p);
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "s"), ptd_jot_int(j, p->streams);
    ptd_jot_key(j, "name"), ptd_jot_text(j, name);
    ptd_jot_key(j, "named"), ptd_jot_int(j, p->words.tokenizer != NULL);
    ptd_jot_key(j, "head"),
        ptd_jot_text(j, head); /* JSON in a text: it may hold what jot escapes */
    ptd_jot_close(j, '}');
    put_jot(p, "stream");
    free(head);
    json_decref(shown);
    return 0;
}

static int put_frame(struct ptd_page *p, const struct ptd_frame *f, const char *name)
{
    struct ptd_group g = {0};
    if (f->kind == PTD_HEAD) return put_head(p, f, name);
    if (f->kind != PTD_GROUP) return 0;
    if (ptd_group_read(&g, f->body, f->body_len) < 0) return -1;
    int rc = put_group(p, &g);
    ptd_group_clear(&g);
    return rc;
}

/* 0 at the end, 1 with `most` groups, -1. */
static int put_frames(struct ptd_page *p, struct ptd_reader *r, const char *name, int64_t most)
{
    struct ptd_frame f;
    int got;
    while ((got = ptd_reader_next(r, &f)) > 0) {
        if (put_frame(p, &f, name) < 0) return ptd_reader_blame(r, &f);
        if (f.kind == PTD_GROUP && most && !--most) return 1;
    }
    return got;
}

static void put_end(struct ptd_page *p, int rc)
{
    struct ptd_jot *j = fresh(p);
    if (p->words.tokenizer) {
        ptd_jot_open(j, '{');
        ptd_jot_key(j, "s"), ptd_jot_int(j, p->streams);
        ptd_jot_key(j, "words"), ptd_page_words_put(&p->words, j);
        ptd_jot_close(j, '}');
        put_jot(p, "words");
    }
    ptd_page_words_close(&p->words);
    j = fresh(p);
    ptd_jot_open(j, '{');
    ptd_jot_key(j, "s"), ptd_jot_int(j, p->streams++);
    ptd_jot_key(j, "whole"), ptd_jot_int(j, rc == 0);
    ptd_jot_key(j, "why"), ptd_jot_text(j, rc < 0 ? ptd_failed_message() : NULL);
    ptd_jot_close(j, '}');
    put_jot(p, "end");
}

int ptd_page_stream(struct ptd_page *p, int fd, const char *name, int64_t most)
{
    struct ptd_reader *r = ptd_reader_open(fd, name);
    int rc = put_frames(p, r, strcmp(name, "-") ? name : "standard input", most);
    put_end(p, rc);
    int closed = ptd_reader_close(r);
    return rc > 0 ? 0 : rc < 0 ? rc : closed;
}

/* ---- the page ---- */

int ptd_page_store(struct ptd_page *p, const char *dir)
{
    int rc = ptd_page_store_put(fresh(p), dir);
    if (rc == 0) put_jot(p, "store");
    return rc;
}

void ptd_page_tokens(struct ptd_page *p, const char *store)
{
    free(p->tokens);
    p->tokens = ptd_strdup(store);
}

/* Text between tags. */
static void put_title(struct ptd_page *p, const char *s)
{
    char *text = ptd_printable(s);
    for (const char *at = text; *at; at++)
        if (strchr("<>&\"", *at))
            fprintf(p->out, "&#%d;", *at);
        else
            put(p, at, 1);
    free(text);
}

struct ptd_page *ptd_page_open(FILE *out, const char *title)
{
    size_t n = (size_t)(ptd_file_page_end - ptd_file_page);
    struct ptd_page *p = ptd_alloc(sizeof *p);
    const char *at = memmem(ptd_file_page, n, TITLE, strlen(TITLE)),
               *data = memmem(ptd_file_page, n, DATA, strlen(DATA));
    *p = (struct ptd_page){.out = out, .allowed = PTD_PAGE_AHEAD};
    if (!at || !data) ptd_die(PTD_BUG, "the page that is built in has no place for data");
    put(p, ptd_file_page, (size_t)(at - ptd_file_page));
    put_title(p, title);
    at += strlen(TITLE);
    put(p, at, (size_t)(data - at));
    p->rest = data + strlen(DATA);
    return p;
}

void ptd_page_close(struct ptd_page *p)
{
    put(p, p->rest, (size_t)(ptd_file_page_end - p->rest));
    free(p->picture);
    free(p->tokens);
    ptd_jot_clear(&p->jot);
    free(p);
}
