/* token_nfc: normalisation form C for the tokenizer, with the tables of the ids' reference.
 * Ordering and composing are normal.c's; deciding which stretches of a text are normalised is
 * token.c's. */
#include "base/normal.h"
#include "data/token_impl.h"
#include <stdlib.h>
#include <utf8proc.h>

struct stretch {
    int32_t first, last;
};

/* Marks that are younger than the reference's tables (Unicode 9): to it they are letters like any
 * other, which neither move nor compose. U+11930 is the one that would compose; U+11A7 composes by
 * mistake in utf8proc 2.8. */
static const struct stretch late[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x11A7, 0x11A7},
    {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0xA82C, 0xA82C},
    {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E},
    {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x1193D, 0x1193E}, {0x11943, 0x11943},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42},
    {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};

/* Code points that neither change nor compose with what stands before them: the bulk of texts that
 * need no normalisation. */
static const struct stretch still[] = {
    {0x0, 0x2FF},      {0x370, 0x373},   {0x375, 0x37D},   {0x388, 0x482},   {0x48A, 0x590},
    {0x5BE, 0x5BE},    {0x5D0, 0x5F4},   {0x61B, 0x64A},   {0x660, 0x66F},   {0x671, 0x6D5},
    {0x904, 0x93B},    {0x93D, 0x94C},   {0xE01, 0xE37},   {0xE3F, 0xE47},   {0xE4F, 0xE5B},
    {0x10A0, 0x10FF},  {0x1E00, 0x1EFF}, {0x2002, 0x20CF}, {0x2100, 0x2125}, {0x2127, 0x2129},
    {0x212C, 0x2328},  {0x232B, 0x2ADB}, {0x2ADD, 0x2CEE}, {0x3000, 0x3029}, {0x3030, 0x3098},
    {0x309B, 0xA66E},  {0xAC00, 0xD7A3}, {0xFE10, 0xFE1F}, {0xFE30, 0xFFFD}, {0x1F000, 0x1FBFF},
    {0x20000, 0x2A6DF}};

static int by_stretch(const void *code_point, const void *stretch)
{
    int32_t c = *(const int32_t *)code_point;
    const struct stretch *s = stretch;
    return c < s->first ? -1 : c > s->last;
}

static int is_late(int32_t c)
{
    return c >= late[0].first &&
           bsearch(&c, late, sizeof late / sizeof *late, sizeof *late, by_stretch);
}

int ptd_token_is_nfc(const char *s, size_t len)
{
    const struct stretch *last = still;
    int32_t c;
    for (size_t i = 0; i < len;) {
        if (!(s[i] & 0x80)) {
            i++;
            continue;
        }
        i += utf8proc_iterate((const utf8proc_uint8_t *)s + i, len - i, &c);
        if (c >= last->first && c <= last->last) continue;
        last = bsearch(&c, still, sizeof still / sizeof *still, sizeof *still, by_stretch);
        if (!last) return 0;
    }
    return 1;
}

/* The part of a text that is being normalised. */
struct part {
    int32_t *c; /* decomposed code points */
    size_t n, cap;
    unsigned char *out;
};

static void finish_part(struct part *p)
{
    size_t n = ptd_compose(p->c, p->n);
    for (size_t i = 0; i < n; i++) p->out += utf8proc_encode_char(p->c[i], p->out);
    p->n = 0;
}

char *ptd_token_nfc(const char *s, size_t len, size_t *out_len)
{
    size_t cap = 2 * len + 4; /* no character becomes more than two for each of its bytes */
    struct part p = {.c = ptd_array(cap, sizeof *p.c), .cap = cap};
    unsigned char *out = ptd_array(cap, 4);
    int32_t c;
    int boundary = 0;
    p.out = out;
    for (size_t i = 0; i < len;) {
        i += utf8proc_iterate((const utf8proc_uint8_t *)s + i, len - i, &c);
        if (is_late(c)) {
            finish_part(&p);
            p.out += utf8proc_encode_char(c, p.out);
        } else {
            p.n += utf8proc_decompose_char(c, p.c + p.n, p.cap - p.n,
                                           UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        }
    }
    finish_part(&p);
    free(p.c);
    *out_len = p.out - out;
    return (char *)out;
}
