/* form: which form earns; see form.h.
 * Leaves boxes, tags and thoughts to extract.c and what is right to the judge. */
#include "judge/form.h"
#include <string.h>

const char *const ptd_format_names[] = {"boxed", "think", "answer-tag", NULL};

/* Nothing but blanks and what dresses a box. */
static int only_dress(struct ptd_span a)
{
    static const char *const dress[] = {"\\]", "\\)", "$", "*", ".", "\xe3\x80\x82", NULL};
    const char *end = a.s + a.len;
    for (const char *p = a.s; p < end;) {
        size_t n = ptd_is_blank(*p) ? 1 : ptd_begins_one(p, end, dress);
        if (!n) return 0;
        p += n;
    }
    return 1;
}

static int count(struct ptd_span a, const char *what)
{
    size_t n = strlen(what);
    const char *end = a.s + a.len;
    int times = 0;
    for (const char *p = a.s; (p = memmem(p, (size_t)(end - p), what, n)); p += n) times++;
    return times;
}

/* A box as it is taught, with braces, that holds something. */
static int good_box(const struct ptd_box *b)
{
    return ptd_begins(b->start, b->behind, "\\boxed") && b->behind[-1] == '}' &&
           !ptd_span_empty(b->in);
}

/* What answers, where every thought is closed, the template's too; s NULL where one is not. */
static struct ptd_span answering(const struct ptd_response *r, int *thought)
{
    struct ptd_span a = ptd_behind_thought(r, thought);
    if (r->thought_opened && !*thought) a.s = NULL;
    return a;
}

static int boxed_form(const struct ptd_response *r)
{
    struct ptd_box box;
    int thought;
    struct ptd_span a = answering(r, &thought);
    return a.s && ptd_boxes_count(a, &box) == 1 && good_box(&box) && count(a, "\\boxed") == 1 &&
           only_dress(ptd_span_behind(a, box.behind));
}

static int think_form(const struct ptd_response *r)
{
    struct ptd_box box;
    int thought;
    struct ptd_span a = answering(r, &thought),
                    all = ptd_trimmed((struct ptd_span){r->text, r->len});
    if (!a.s || !thought || !ptd_boxes_count(a, &box) || !good_box(&box)) return 0;
    size_t opens = ptd_begins(all.s, all.s + all.len, "<think>");
    const char *in = all.s + opens;
    if (!opens && !r->thought_opened) return 0;
    if (count(all, "</think>") != 1 || !ptd_ends(ptd_span_of(in, a.s), "</think>")) return 0;
    return ptd_trimmed(ptd_span_of(in, a.s - strlen("</think>"))).len > 0;
}

static int tag_form(const struct ptd_response *r)
{
    int thought;
    struct ptd_answer answer;
    struct ptd_span a = answering(r, &thought);
    struct ptd_response rest = {.text = a.s, .len = a.len};
    return a.s && count(a, "<answer>") == 1 && count(a, "</answer>") == 1 &&
           ptd_ends(ptd_trimmed(a), "</answer>") && ptd_extract(PTD_EXTRACT_TAG, &rest, &answer);
}

int ptd_format_good(int rule, const struct ptd_response *r)
{
    if (rule == PTD_FORMAT_THINK) return think_form(r);
    return rule == PTD_FORMAT_TAG ? tag_form(r) : boxed_form(r);
}
