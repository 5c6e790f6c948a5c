/* dress: see dress.h. */
#include "judge/dress.h"
#include <string.h>
#include <utf8proc.h>

static const struct sign {
    int32_t code;
    const char *plain;
} signs[] = {
    {0x00a0, "~"},
    {0x00a2, "\\cent "},
    {0x00a3, "\\pounds "},
    {0x00a5, "\\yen "},
    {0x00ad, ""},
    {0x00b0, "\\degree "},
    {0x00b1, "\\pm "},
    {0x00b4, "\\prime "},
    {0x00b5, "\\mu "},
    {0x00b7, "*"},
    {0x00ba, "\\degree "},
    {0x00bc, "\\frac14 "},
    {0x00bd, "\\frac12 "},
    {0x00be, "\\frac34 "},
    {0x00d7, "\\times "},
    {0x00f7, "/"},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, "-"},
    {0x2018, "'"},
    {0x2019, "'"},
    {0x201c, "\""},
    {0x201d, "\""},
    {0x2022, "*"},
    {0x2026, "\\ldots "},
    {0x2032, "\\prime "},
    {0x2033, "\\prime\\prime "},
    {0x2044, "/"},
    {0x20ac, "\\euro "},
    {0x20b9, "\\rupee "},
    {0x2103, "\\degree C"},
    {0x2109, "\\degree F"},
    {0x211d, "\\mathbb{R}"},
    {0x2126, "\\Omega "},
    {0x2150, "\\frac17 "},
    {0x2151, "\\frac19 "},
    {0x2153, "\\frac13 "},
    {0x2154, "\\frac23 "},
    {0x2155, "\\frac15 "},
    {0x2156, "\\frac25 "},
    {0x2157, "\\frac35 "},
    {0x2158, "\\frac45 "},
    {0x2159, "\\frac16 "},
    {0x215a, "\\frac56 "},
    {0x215b, "\\frac18 "},
    {0x215c, "\\frac38 "},
    {0x215d, "\\frac58 "},
    {0x215e, "\\frac78 "},
    {0x2190, "\\leftarrow "},
    {0x2192, "\\to "},
    {0x21d2, "\\Rightarrow "},
    {0x21d4, "\\Leftrightarrow "},
    {0x2205, "\\emptyset "},
    {0x2208, "\\in "},
    {0x2212, "-"},
    {0x2213, "\\mp "},
    {0x2215, "/"},
    {0x2217, "*"},
    {0x2218, "\\circ "},
    {0x221a, "\\sqrt "},
    {0x221b, "\\sqrt[3]"},
    {0x221c, "\\sqrt[4]"},
    {0x221e, "\\infty "},
    {0x2220, "\\angle "},
    {0x2223, "|"},
    {0x2225, "\\parallel "},
    {0x2227, "\\land "},
    {0x2228, "\\lor "},
    {0x2229, "\\cap "},
    {0x222a, "\\cup "},
    {0x2234, "\\therefore "},
    {0x2236, ":"},
    {0x223c, "\\sim "},
    {0x223d, "\\sim "},
    {0x2245, "\\cong "},
    {0x2248, "\\approx "},
    {0x224c, "\\cong "},
    {0x2260, "\\ne "},
    {0x2264, "\\le "},
    {0x2265, "\\ge "},
    {0x22a5, "\\perp "},
    {0x22c5, "*"},
    {0x22ef, "\\ldots "},
    {0x2308, "\\lceil "},
    {0x2309, "\\rceil "},
    {0x230a, "\\lfloor "},
    {0x230b, "\\rfloor "},
    {0x25b3, "\\triangle "},
    {0x27c2, "\\perp "},
    {0x2a7d, "\\le "},
    {0x2a7e, "\\ge "},
    {0x3001, ", "},
    {0x3002, ". "},
    {0x300a, "\""},
    {0x300b, "\""},
    {0x300c, "\""},
    {0x300d, "\""},
    {0x3010, "["},
    {0x3011, "]"},
    {0x3014, "("},
    {0x3015, ")"},
    {0x338e, "mg"},
    {0x338f, "kg"},
    {0x3396, "mL"},
    {0x339c, "mm"},
    {0x339d, "cm"},
    {0x339e, "km"},
    {0x33a0, "cm^2"},
    {0x33a1, "m^2"},
    {0x33a5, "m^3"},
    {0xff0c, ", "},
    {0xff0d, "-"},
    {0xff0e, "."},
    {0xff5e, " ~ "},
    {0xff61, "."},
    {0xffe1, "\\pounds "},
    {0xffe5, "\\yen "},
};

static const char *const greek[] = {
    "alpha", "beta",   "gamma",   "delta", "epsilon", "zeta",    "eta",  "theta", "iota",
    "kappa", "lambda", "mu",      "nu",    "xi",      "omicron", "pi",   "rho",   "sigma",
    "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",     "omega"};

static const char *sign_of(int32_t code)
{
    size_t lo = 0, hi = sizeof signs / sizeof *signs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (signs[mid].code < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof signs / sizeof *signs && signs[lo].code == code ? signs[lo].plain : NULL;
}

/* The letter or sign that code is above (or, below: under) the line; 0: none. */
static char raised(int32_t code, int *below)
{
    static const char marks[] = "+-=()";
    *below = code >= 0x2080 && code <= 0x208e;
    if (code == 0xb2 || code == 0xb3) return (char)('0' + code - 0xb0);
    if (code == 0xb9) return '1';
    if (code == 0x207f) return 'n';
    if ((code < 0x2070 || code > 0x207e || (code > 0x2070 && code < 0x2074)) && !*below) return 0;
    int i = code & 15;
    return i < 10 ? (char)('0' + i) : marks[i - 10];
}

static int is_blank_code(int32_t c)
{
    return c == 0x3000 || c == 0x1680 || c == 0x205f || (c >= 0x2000 && c <= 0x200a) || c == 0x202f;
}

static int is_nothing(int32_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || c == 0x2060 ||
           c == 0xfeff || (c >= 0xfe00 && c <= 0xfe0f);
}

struct out {
    char *s;
    size_t n, cap;
    int script;         /* '^' or '_': a group of it is open */
    uint16_t *from, at; /* where what is put comes from */
};

static void put(struct out *o, const char *s, size_t n)
{
    if (o->n + n < o->cap) {
        memcpy(o->s + o->n, s, n);
        for (size_t i = 0; o->from && i < n; i++) o->from[o->n + i] = o->at;
    }
    o->n += n;
}

static void put_text(struct out *o, const char *s)
{
    put(o, s, strlen(s));
}

static void put_greek(struct out *o, int32_t code)
{
    int upper = code < 0x3b1;
    const char *name = greek[code - (upper ? 0x391 : 0x3b1)];
    char first = upper ? (char)(name[0] - 'a' + 'A') : name[0];
    put_text(o, "\\");
    put(o, &first, 1);
    put_text(o, name + 1);
    put_text(o, " ");
}

static void close_script(struct out *o)
{
    if (o->script) put_text(o, "}");
    o->script = 0;
}

static void put_script(struct out *o, char c, int below)
{
    char which = below ? '_' : '^';
    if (o->script != which) {
        close_script(o);
        put(o, &which, 1);
        put_text(o, "{");
    }
    o->script = which;
    put(o, &c, 1);
}

static void put_code(struct out *o, int32_t code, const char *s, size_t n)
{
    int below;
    char c = raised(code, &below);
    const char *plain;
    if (c) {
        put_script(o, c, below);
        return;
    }
    close_script(o);
    if (code < 0x80)
        put(o, s, n);
    else if ((plain = sign_of(code)))
        put_text(o, plain);
    else if (code > 0xff00 && code < 0xff5f)
        put(o, (char[]){(char)(code - 0xfee0)}, 1);
    else if ((code >= 0x391 && code <= 0x3a9) || (code >= 0x3b1 && code <= 0x3c9))
        put_greek(o, code);
    else if (is_blank_code(code))
        put_text(o, code == 0x3000 ? " " : "~");
    else if (!is_nothing(code))
        put(o, s, n);
}

long ptd_undress(char *out, size_t cap, const char *s, size_t n, uint16_t *from)
{
    struct out o = {out, 0, cap, 0, from, 0};
    for (size_t i = 0; i < n;) {
        int32_t code = (unsigned char)s[i];
        long used = 1;
        if (code >= 0x80) used = utf8proc_iterate((const uint8_t *)s + i, (long)(n - i), &code);
        if (used <= 0) code = 0x7f, used = 1; /* no UTF-8: a byte that means nothing */
        o.at = (uint16_t)i;
        put_code(&o, code, s + i, (size_t)used);
        i += (size_t)used;
    }
    close_script(&o);
    if (o.n + 1 > cap) return -1;
    out[o.n] = '\0';
    return (long)o.n;
}
