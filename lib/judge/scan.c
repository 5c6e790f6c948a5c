/* scan: see scan.h. A long text is read in pieces that end at a blank. */
#include "judge/scan.h"
#include "judge/algebra.h"
#include "judge/dress.h"
#include "judge/judge.h"
#include "judge/numeral.h"
#include <stdlib.h>
#include <string.h>

#define PIECE 1000 /* bytes of a piece, each of which may become several */

struct piece {
    struct ptd_lex lex; /* its tokens */
    struct ptd_reading reading;
    uint16_t from[2 * PTD_LEX_BYTES + 64];
    char plain[2 * PTD_LEX_BYTES + 64];
    size_t at; /* in the text */
};

/* Bytes of the next piece: it ends at a blank, or, within a long word, before a character. */
static size_t piece_length(const char *s, size_t n)
{
    if (n <= PIECE) return n;
    size_t k = PIECE;
    while (k > PIECE / 2 && s[k] != ' ' && s[k] != '\n') k--;
    if (k > PIECE / 2) return k;
    for (k = PIECE; k > 1 && ((unsigned char)s[k] & 0xc0) == 0x80; k--) continue;
    return k;
}

static int read_piece(struct piece *p, const char *text, size_t n)
{
    long used = ptd_undress(p->plain, sizeof p->plain, text, n, p->from);
    return used < 0 ? -1 : ptd_lex(&p->lex, p->plain, (size_t)used, 0);
}

/* Where the tokens [i, k) are in the text. */
static void place(const struct piece *p, int i, int k, size_t *at, size_t *len)
{
    size_t first = p->from[p->lex.t[i].at], last = p->from[p->lex.t[k - 1].end - 1] + 1;
    *at = p->at + first;
    *len = last > first ? last - first : 1;
}

static int begins(const struct ptd_tok *t)
{
    if (ptd_value_parts(t)) return 0;
    return t->kind >= 128 || t->kind == '(' || t->kind == '-' || t->kind == '|' || t->kind == '[';
}

static int ends(const struct ptd_tok *t)
{
    if (ptd_value_parts(t)) return 0;
    return t->kind >= 128 || (t->kind && strchr(")]}|!%", t->kind));
}

static int read_stretch(struct piece *p, int i, int k)
{
    size_t from = p->lex.t[i].at, to = p->lex.t[k - 1].end;
    return ptd_value_read(&p->reading, p->lex.plain + from, to - from, 0) == 0 && p->reading.top;
}

/* The end of the stretch from i on that says it; 0: none does. */
static int stretch_from(struct piece *p, int i, ptd_scan_says *says, void *ctx)
{
    for (int k = i + 1; k <= p->lex.n && k <= i + PTD_SCAN_WORDS; k++)
        if (ends(&p->lex.t[k - 1]) && read_stretch(p, i, k) && says(ctx, &p->reading)) return k;
    return 0;
}

int ptd_scan(const char *text, size_t n, ptd_scan_says *says, void *ctx, struct ptd_sighting *out,
             int most)
{
    struct piece *p = ptd_alloc(sizeof *p);
    int found = 0;
    for (size_t used; n > 0 && found < most; text += used, n -= used, p->at += used) {
        used = piece_length(text, n);
        if (read_piece(p, text, used) < 0) continue;
        for (int i = 0, k; i < p->lex.n && found < most; i = k ? k : i + 1) {
            k = begins(&p->lex.t[i]) ? stretch_from(p, i, says, ctx) : 0;
            if (!k) continue;
            place(p, i, k, &out[found].at, &out[found].len);
            found++;
        }
    }
    free(p);
    return found;
}

/* ---- numbers ---- */

static int is_number(const struct ptd_reading *r, struct ptd_seen *s)
{
    const struct ptd_value *v = r->top;
    if (v->kind != PTD_V_EXPR || v->label || !ptd_expr_value(v->e, &s->value)) return 0;
    s->percent = v->has_unit && v->unit.percent;
    return !v->has_unit || s->percent;
}

static int numbers_from(struct piece *p, int i, struct ptd_seen *out, int most)
{
    int found = 0;
    for (int k = i + 1; k <= p->lex.n && k <= i + PTD_SCAN_WORDS && found < most; k++) {
        if (!ends(&p->lex.t[k - 1]) || !read_stretch(p, i, k)) continue;
        if (is_number(&p->reading, &out[found])) {
            place(p, i, k, &out[found].at, &out[found].len);
            found++;
        }
    }
    return found;
}

/* The dozen of 2 dozen is no number of its own. */
static int is_scale(const struct piece *p, int i)
{
    return i > 0 && ptd_numeral_scale(&p->lex.t[i]) &&
           (p->lex.t[i - 1].kind == PTD_T_NUM || p->lex.t[i - 1].kind == PTD_T_WORD);
}

int ptd_numbers_seen(const char *text, size_t n, struct ptd_seen *out, int most)
{
    struct piece *p = ptd_alloc(sizeof *p);
    int found = 0;
    for (size_t used; n > 0 && found < most; text += used, n -= used, p->at += used) {
        used = piece_length(text, n);
        if (read_piece(p, text, used) < 0) continue;
        for (int i = 0; i < p->lex.n; i++)
            if (begins(&p->lex.t[i]) && !is_scale(p, i))
                found += numbers_from(p, i, out + found, most - found);
    }
    free(p);
    return found;
}
