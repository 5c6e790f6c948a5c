/* token_split: the split pattern as PCRE2 must read it to cut texts where the file's own engine
 * (Oniguruma with Unicode 16) cuts them. What the two read differently and is not translated here
 * is refused. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data/token_impl.h"

/* Letters and numbers that came with Unicode 15 and 16; Debian 12's PCRE2 knows 14. Naming them
 * twice does no harm where it knows more. */
static const char late_letters[] =
    "\\x{1C89}-\\x{1C8A}\\x{A7CB}-\\x{A7CD}\\x{A7DA}-\\x{A7DC}\\x{105C0}-\\x{105F3}\\x{10D4A}-\\x{"
    "10D65}"
    "\\x{10D6F}-\\x{10D85}\\x{10EC2}-\\x{10EC4}\\x{1123F}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138B}"
    "\\x{1138E}"
    "\\x{11390}-\\x{113B5}\\x{113B7}\\x{113D1}\\x{113D3}\\x{11BC0}-\\x{11BE0}\\x{11F02}\\x{11F04}-"
    "\\x{11F10}"
    "\\x{11F12}-\\x{11F33}\\x{1342F}\\x{13441}-\\x{13446}\\x{13460}-\\x{143FA}\\x{16100}-\\x{1611D}"
    "\\x{16D40}-\\x{16D6C}\\x{18CFF}\\x{1B132}\\x{1B155}\\x{1DF25}-\\x{1DF2A}\\x{1E030}-\\x{1E06D}"
    "\\x{1E4D0}-\\x{1E4EB}\\x{1E5D0}-\\x{1E5ED}\\x{1E5F0}\\x{2B739}\\x{2EBF0}-\\x{2EE5D}\\x{31350}-"
    "\\x{"
    "323AF}";
static const char late_numbers[] =
    "\\x{10D40}-\\x{10D49}\\x{116D0}-\\x{116E3}\\x{11BF0}-\\x{11BF9}\\x{11F50}"
    "-\\x{11F59}\\x{16130}-\\x{16139}"
    "\\x{16D70}-\\x{16D79}\\x{1CCF0}-\\x{1CCF9}\\x{1D2C0}-\\x{1D2D3}\\x{1E4F0}"
    "-\\x{1E4F9}\\x{1E5F1}-\\x{1E5FA}";

#define PATTERN_MAX 16384
/* bytes written for one read, at most: those of late_letters for the five of \p{L} */
#define GROWTH 200
_Static_assert(sizeof late_letters + 16 < 5 * GROWTH, "room for late_letters");

/* A pattern being read. Each reader below takes one element, or leaves p at what it does not know:
 * -1. */
struct reading {
    const char *p;
    char *out;
    int in_class;
};

static int copy(struct reading *r, size_t n)
{
    r->out = mempcpy(r->out, r->p, n);
    r->p += n;
    return 0;
}

/* \p{L}, \p{N} and their complements with the late ones; other properties as PCRE2 has them. */
static int read_property(struct reading *r)
{
    const char *end = strchr(r->p, '}'), *late = NULL;
    int complement = r->p[1] == 'P';
    if (r->p[2] != '{' || !end) return -1;
    if (!strncmp(r->p + 2, "{L}", 3)) late = late_letters;
    if (!strncmp(r->p + 2, "{N}", 3)) late = late_numbers;
    if (!late) return copy(r, end + 1 - r->p);
    if (complement && r->in_class) return -1;
    const char *form = r->in_class ? "\\p{%c}%s" : complement ? "[^\\p{%c}%s]" : "[\\p{%c}%s]";
    r->out += sprintf(r->out, form, r->p[3], late);
    r->p += 5;
    return 0;
}

/* The file's engine takes \s as the 25 White_Space code points; PCRE2's own \s has one more
 * (U+180E). */
static int read_escape(struct reading *r)
{
    unsigned char c = r->p[1];
    if (c == 's' || c == 'S') {
        r->out += sprintf(r->out, "\\%c{White_Space}", c == 's' ? 'p' : 'P');
        r->p += 2;
        return 0;
    }
    if (c == 'p' || c == 'P') return read_property(r);
    if (c == 'x' && r->p[2] == '{') return copy(r, 3);
    if (c < 0x80 && (ispunct(c) || (c && strchr("rntf", c)))) return copy(r, 2);
    return -1;
}

static int starts(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

static int read_in_class(struct reading *r)
{
    if (*r->p == '[' || starts(r->p, "&&")) return -1;
    if (*r->p == ']') r->in_class = 0;
    return copy(r, 1);
}

static int read_group(struct reading *r)
{
    static const char *const known[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    if (r->p[1] == '*') return -1;
    if (r->p[1] != '?') return copy(r, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (starts(r->p, known[i])) return copy(r, strlen(known[i]));
    return -1;
}

static int read_element(struct reading *r)
{
    if (*r->p == '\\') return read_escape(r);
    if (r->in_class) return read_in_class(r);
    if (*r->p == '(') return read_group(r);
    if (*r->p == '^' || *r->p == '$' || starts(r->p, "}+") || starts(r->p, "[]") ||
        starts(r->p, "[^]"))
        return -1;
    if (*r->p == '[') {
        r->in_class = 1;
        return copy(r, r->p[1] == '^' ? 2 : 1);
    }
    return copy(r, 1);
}

/* The pattern for PCRE2, malloc'd; NULL if it holds what is not known. */
static char *translate(const char *pattern, const char *name)
{
    char *out = ptd_alloc(strlen(pattern) * GROWTH + 1);
    struct reading r = {.p = pattern, .out = out};
    while (*r.p) {
        if (read_element(&r) == 0) continue;
        ptd_fail(PTD_CONFIG, "%s: split pattern: \"%.8s\" at byte %zu is not supported", name, r.p,
                 (size_t)(r.p - pattern));
        free(out);
        return NULL;
    }
    *r.out = 0;
    return out;
}

pcre2_code *ptd_token_split(const char *pattern, const char *name)
{
    int code;
    PCRE2_SIZE at;
    if (strlen(pattern) > PATTERN_MAX) {
        ptd_fail(PTD_DATAERR, "%s: split pattern: over %d bytes", name, PATTERN_MAX);
        return NULL;
    }
    char *translated = translate(pattern, name);
    if (!translated) return NULL;
    pcre2_code *split =
        pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    free(translated);
    if (!split) {
        char why[120];
        if (code == PCRE2_ERROR_HEAP_FAILED) ptd_die(PTD_OSERR, "out of memory for PCRE2");
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        ptd_fail(PTD_CONFIG, "%s: split pattern: %s", name, why);
        return NULL;
    }
    pcre2_jit_compile(split, PCRE2_JIT_COMPLETE); /* without it matching works too, only slower */
    return split;
}
