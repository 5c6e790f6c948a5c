/* dataset_marks: where the pictures of a row come in its prompt. Marks of all kinds become <image>,
 * and the pictures are put into their order. What a picture is, is dataset_picture.c's. */
#include "data/dataset_private.h"

#include <stdlib.h>
#include <string.h>

#define OPEN "<image"

/* ---- marks ---- */

/* The mark that begins at s, "<image"; its length, 0: it is none. */
static size_t mark_at(const char *s, long *number)
{
    const char *p = s + strlen(OPEN), *digits;
    int own = *p == PTD_OWN;
    if (own || *p == ' ' || *p == '_') p++;
    digits = p;
    for (*number = 0; *p >= '0' && *p <= '9' && p - digits < 6; p++)
        *number = 10 * *number + *p - '0';
    if (*p != '>') return 0;
    if (p == digits) return p == s + strlen(OPEN) ? p + 1 - s : 0;
    if (own) *number = -*number;
    return *number ? p + 1 - s : 0;
}

const char *ptd_mark_find(const char *s, size_t *len, long *number)
{
    for (; s && (s = strstr(s, OPEN)); s++)
        if ((*len = mark_at(s, number))) return s;
    return NULL;
}

/* Does the text ask for what is no picture? "<video>", "<audio 2>" */
static int asks_for(const char *s, const char *open)
{
    for (; (s = strcasestr(s, open)); s++) {
        const char *p = s + strlen(open);
        p += *p == ' ' || *p == '_';
        if (p[strspn(p, "0123456789")] == '>') return 1;
    }
    return 0;
}

/* ---- their pictures ---- */

struct marks {
    struct ptd_row *r;
    const char *key; /* of the pictures' field, for messages */
    int plain, numbered, own, bad;
    char named[PTD_DATASET_LIST]; /* given pictures, by number */
};

static int fault(struct marks *m, const char *what, long found, long expected)
{
    m->bad = 1;
    return ptd_row_fault(m->r, PTD_DATAERR, m->key,
                         "%ld pictures, expected %ld as the question has %s", found, expected,
                         what);
}

/* The picture that a mark shows; NULL after a fault. */
static const struct ptd_picture_source *source_of(struct marks *m, long number)
{
    struct ptd_row *r = m->r;
    if (number < 0 && -number <= r->n_own) return m->own++, &r->own[-number - 1];
    if (number == 0) return m->plain < r->n_given ? &r->given[m->plain++] : (m->plain++, NULL);
    m->numbered++;
    if (number < 1 || number > r->n_given)
        return fault(m, "a mark of that number", r->n_given, number), NULL;
    m->named[number - 1] = 1;
    return &r->given[number - 1];
}

static void show(struct marks *m, const struct ptd_picture_source *s)
{
    struct ptd_row *r = m->r;
    if (!s || m->bad) return;
    if (r->n_shown < PTD_DATASET_LIST) {
        r->shown[r->n_shown++] = s;
        return;
    }
    m->bad = 1;
    ptd_row_fault(r, PTD_DATAERR, m->key, "shown more than %d times, expected at most that",
                  PTD_DATASET_LIST);
}

/* The text with <image> for every mark; the pictures that they show are added to the row's. */
static const char *read_marks(struct marks *m, const char *text)
{
    struct ptd_buf out = {0};
    const char *at, *kept = text;
    size_t len;
    long number;
    for (; !m->bad && (at = ptd_mark_find(text, &len, &number)); text = at + len) {
        show(m, source_of(m, number));
        ptd_buf_add(&out, text, (size_t)(at - text));
        ptd_buf_add(&out, PTD_MARK, strlen(PTD_MARK));
    }
    if (out.len) {
        ptd_buf_add(&out, text, strlen(text) + 1);
        kept = ptd_row_keep(m->r, m->key, out.data);
    }
    free(out.data);
    return kept;
}

/* Is there a picture for every mark, and a mark for every picture? */
static void check(struct marks *m)
{
    struct ptd_row *r = m->r;
    int marks = m->plain + m->numbered + m->own, named = 0;
    for (int i = 0; i < r->n_given; i++) named += m->named[i];
    if (m->plain && m->numbered)
        ptd_row_fault(r, PTD_DATAERR, m->key,
                      "marked by <image> and by <image 1>, expected one kind");
    else if (m->numbered && named < r->n_given)
        fault(m, "marks of so many numbers", r->n_given, named);
    else if (m->plain && m->plain != r->n_given)
        fault(m, PTD_MARK " marks", r->n_given, m->plain);
    else if (m->own && !m->plain && !m->numbered && r->n_given && r->n_given != m->own)
        fault(m, "pictures of its own", r->n_given, m->own);
    for (int i = 0; !marks && i < r->n_given; i++) show(m, &r->given[i]);
}

static void look_for_others(struct ptd_row *r, const char *text)
{
    static const char *const open[] = {"<video", "<audio"};
    for (int i = 0; i < 2; i++)
        if (asks_for(text, open[i]))
            ptd_row_fault(r, PTD_DATAERR, r->prompt_key, "asks for a %s>, expected pictures only",
                          open[i]);
}

static void read_turns(struct marks *m)
{
    struct ptd_group *g = m->r->g;
    struct ptd_turn *turns = ptd_group_alloc(g, (size_t)(g->n_turns + 1) * sizeof *turns);
    for (int i = 0; i < g->n_turns; i++) {
        turns[i] = g->turns[i];
        if (strcmp(turns[i].role, "user") != 0) continue;
        look_for_others(m->r, turns[i].text);
        turns[i].text = read_marks(m, turns[i].text);
    }
    g->turns = turns;
}

void ptd_row_marks(struct ptd_row *r)
{
    struct marks m = {.r = r, .key = r->n_given ? r->given[0].key : "images", .bad = r->blind};
    if (r->g->question) {
        read_turns(&m);
        look_for_others(r, r->g->question);
        r->g->question = read_marks(&m, r->g->question);
    }
    if (!m.bad) check(&m);
}
