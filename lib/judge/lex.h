/* lex: the words of an answer. Plain text, LaTeX, Markdown and Unicode's signs come out as the same
 * tokens, so that what reads them sees no dress: 1{,}234 and 1 234 are the number 1234, x² is
 * x^{2}, \text{cm} and cm one word, （Ｂ） is (B), ^{\circ} and ° a sign for degrees.
 *
 *     struct ptd_lex l;
 *     if (ptd_lex(&l, text, n, 0) < 0) ... l.reason says why
 *     for (int i = 0; i < l.n; i++) ... l.t[i]      l.t[l.n].kind is PTD_T_END */
#ifndef PTD_LEX_H
#define PTD_LEX_H
#include <stddef.h>
#include <stdint.h>

#define PTD_LEX_BYTES  4096 /* an answer of more is none that anybody reads */
#define PTD_LEX_TOKENS 1024

enum ptd_tok_kind { /* below 128: the sign itself */
                    PTD_T_END = 0,
                    PTD_T_NUM =
                        128,    /* s: digits, perhaps with a point and an exponent, nothing else */
                    PTD_T_WORD, /* letters, in any script; a.m. is one word, its last full stop left
                                   out */
                    PTD_T_NAME, /* a command that stands for itself: \Delta is Delta, \alpha is
                                   alpha */
                    PTD_T_FRAC,
                    PTD_T_SQRT,
                    PTD_T_BINOM,
                    PTD_T_OVERLINE,
                    PTD_T_LE,
                    PTD_T_GE,
                    PTD_T_NE,
                    PTD_T_APPROX,
                    PTD_T_IN,
                    PTD_T_CUP,
                    PTD_T_CAP,
                    PTD_T_PM,
                    PTD_T_MP,
                    PTD_T_INF,
                    PTD_T_DEG,
                    PTD_T_PERCENT,
                    PTD_T_MONEY, /* s: its sign, $ or a word */
                    PTD_T_LSET,  /* \{ */
                    PTD_T_RSET,
                    PTD_T_DOTS,
                    PTD_T_ARROW,
                    PTD_T_ANGLE, /* \angle, \triangle and the like: what follows is a name */
                    PTD_T_PRIME,
                    PTD_T_ROW,   /* \\ */
                    PTD_T_BEGIN, /* of a matrix; s: which */
                    PTD_T_FINISH,
                    PTD_T_EMPTY, /* \emptyset */
                    PTD_T_OVER,  /* {a \over b} */
                    PTD_T_PARALLEL,
                    PTD_T_PERP,
                    PTD_T_CONG,
                    PTD_T_TO, /* a ~ between blanks: from ~ to */
};

struct ptd_tok {
    uint8_t kind;
    uint8_t spaced; /* blanks before it; & 2: behind \text{...}, & 4: a blank of LaTeX's, \, */
    uint8_t dress;  /* 1: inside \text{...} or the like */
    uint8_t commas; /* NUM: plain commas were taken for thousands, and it could be a list */
    uint16_t at;    /* where it begins in what was read, and where it ends */
    uint16_t end;
    uint16_t n; /* bytes at s */
    const char *s;
};

struct ptd_lex {
    struct ptd_tok t[PTD_LEX_TOKENS + 1];
    int n;
    int commas;         /* some number has them */
    const char *reason; /* static, of what could not be read */
    /* what numbers, words and names are written in */
    char buf[2 * PTD_LEX_BYTES + 64], plain[2 * PTD_LEX_BYTES + 64];
    size_t used;
};

enum { PTD_LEX_LISTS = 1 /* commas part lists, never thousands */ };
int ptd_lex(struct ptd_lex *l, const char *text, size_t n, int flags);

int ptd_tok_is(const struct ptd_tok *t, const char *word); /* a WORD, case aside */
/* Is it one of them? NULL at the end. */
int ptd_tok_one_of(const struct ptd_tok *t, const char *const *words);
#endif
