/* command: see command.h. */
#include "base/command.h"
#include "base/err.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static int is_plain(const char *s)
{
    static const char marks[] = "_@%+=:,./-";
    if (!*s) return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr(marks, *s)) return 0;
    return 1;
}

/* UTF-8 without control characters. */
static int is_text(const char *s)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n, left = (utf8proc_ssize_t)strlen(s);
    for (; left > 0; s += n, left -= n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &c);
        if (n <= 0 || utf8proc_category(c) == UTF8PROC_CATEGORY_CC) return 0;
    }
    return 1;
}

/* $'te\351.ptd', which bash, ksh and zsh read as those bytes. */
static char *quote_bytes(char *o, const char *s)
{
    o = stpcpy(o, "$'");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\'' || c == '\\') *o++ = '\\';
        o += c < ' ' || c > '~' ? sprintf(o, "\\%03o", c) : sprintf(o, "%c", c);
    }
    return stpcpy(o, "'");
}

static char *quote_text(char *o, const char *s)
{
    *o++ = '\'';
    for (; *s; s++) {
        if (*s == '\'')
            o = stpcpy(o, "'\\''");
        else
            *o++ = *s;
    }
    return stpcpy(o, "'");
}

static size_t quote(char *out, const char *s)
{
    char *end = is_plain(s)  ? stpcpy(out, s)
                : is_text(s) ? quote_text(out, s)
                             : quote_bytes(out, s);
    return (size_t)(end - out);
}

char *ptd_command_line(int argc, char **argv)
{
    size_t room = 1, n = 0;
    for (int i = 0; i < argc; i++) room += 4 * strlen(argv[i]) + 4;
    char *line = ptd_alloc(room);
    for (int i = 0; i < argc; i++) {
        const char *slash = i == 0 ? strrchr(argv[0], '/') : NULL;
        if (i) line[n++] = ' ';
        n += quote(line + n, slash ? slash + 1 : argv[i]);
    }
    return line;
}
