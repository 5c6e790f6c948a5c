/* gnuplot: its script, running it, its terminals, quoting, and the rename at the end. What it draws
 * comes back through a pipe and is written here, because it does not notice a full disk.
 * Leaves what is drawn to ptd-plot. */
#include "view/gnuplot.h"
#include "base/escape.h"
#include "base/output.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct ptd_gnuplot {
    FILE *f;
    int script; /* in memory, for gnuplot; -1: f is the output */
    int out, named;
    char *path, *temp;
};

static const struct {
    const char *ending, *terminal;
} kinds[] = {
    {".svg", "svg size %d,%d dynamic noenhanced font 'DejaVu Sans,Verdana,sans-serif,12' "
             "background '#ffffff'"},
    {".png", "pngcairo size %d,%d noenhanced font 'DejaVu Sans,11' background '#ffffff'"},
    {".pdf", "pdfcairo size %d/96.,%d/96. noenhanced font 'DejaVu Sans,10' background '#ffffff'"},
    {".gp", "unknown"},
};
#define KINDS ((int)(sizeof kinds / sizeof *kinds))

static int kind_of(const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; i < KINDS; i++) {
        size_t m = strlen(kinds[i].ending);
        if (n > m && strcasecmp(path + n - m, kinds[i].ending) == 0) return i;
    }
    return ptd_fail(PTD_USAGE, "%s: expected a name that ends in .svg, .png, .pdf or .gp", path);
}

static int check_installed(void)
{
    if (system("command -v gnuplot >/dev/null 2>&1") == 0) return 0;
    return ptd_fail(PTD_UNAVAILABLE,
                    "gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
}

/* A file without a name in the output's folder: nothing is left of it, whatever happens. Where the
 * file system has no such thing, one with a name. */
static int open_output(struct ptd_gnuplot *p)
{
    char *copy = ptd_strdup(p->path);
    p->out = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    free(copy);
    p->named = p->out < 0;
    if (p->named) p->out = open(p->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return p->out < 0 ? ptd_fail(PTD_CANTCREAT, "%s:", p->path) : 0;
}

static int publish(struct ptd_gnuplot *p)
{
    char unnamed[40];
    snprintf(unnamed, sizeof unnamed, "/proc/self/fd/%d", p->out);
    if (!p->named && linkat(AT_FDCWD, unnamed, AT_FDCWD, p->temp, AT_SYMLINK_FOLLOW) < 0)
        return ptd_fail(PTD_CANTCREAT, "%s:", p->path);
    p->named = 1;
    return rename(p->temp, p->path) < 0 ? ptd_fail(PTD_CANTCREAT, "%s:", p->path) : 0;
}

static int start(struct ptd_gnuplot *p, int kind, int width, int height)
{
    if (strcmp(kinds[kind].terminal, "unknown") == 0)
        return (p->f = ptd_file_on(dup(p->out))) ? 0 : ptd_fail(PTD_CANTCREAT, "%s:", p->path);
    if (check_installed() < 0) return -1;
    p->script = memfd_create("gnuplot", 0);
    if (p->script < 0 || !(p->f = fdopen(dup(p->script), "w")))
        return ptd_fail(PTD_OSERR, "a script for gnuplot:");
    fputs("set terminal ", p->f);
    fprintf(p->f, kinds[kind].terminal, width, height);
    fputs("\n", p->f);
    return 0;
}

static void clear(struct ptd_gnuplot *p)
{
    if (p->script >= 0) close(p->script);
    if (p->out >= 0) close(p->out);
    free(p->path);
    free(p->temp);
    free(p);
}

struct ptd_gnuplot *ptd_gnuplot_open(const char *path, int width, int height)
{
    int kind = kind_of(path);
    if (kind < 0) return NULL;
    struct ptd_gnuplot *p = ptd_alloc(sizeof *p);
    p->path = ptd_strdup(path);
    p->temp = ptd_format("%s.%ld.tmp", path, (long)getpid());
    p->script = -1;
    if (open_output(p) == 0 && start(p, kind, width, height) == 0) return p;
    if (p->named) unlink(p->temp);
    clear(p);
    return NULL;
}

FILE *ptd_gnuplot_script(struct ptd_gnuplot *p)
{
    return p->f;
}

/* What stands in SVG for a character that is no text there: a control, or bytes that are no UTF-8.
 * NULL: it may stay. */
static const char *instead(const char *s, int took)
{
    char piece[PTD_ESCAPED];
    int len;
    ptd_escape(s, piece, &len);
    if ((took == 1 && *s & 0x80) || strncmp(s, "\xef\xbf\xbe", 3) == 0 ||
        strncmp(s, "\xef\xbf\xbf", 3) == 0)
        return "\xef\xbf\xbd";
    /* it ends something in XML, and gnuplot does not know */
    if (strncmp(s, "]]>", 3) == 0) return "] ";
    return len != took || *piece != *s ? " " : NULL;
}

/* In double quotes, with an octal escape for every character that gnuplot may see something in:
 * quotes, back quotes, which run commands, the marks of macros, comments and blocks. An escape
 * takes in any digits that follow, so they are escaped too. */
void ptd_gnuplot_quote(FILE *f, const char *s)
{
    char piece[PTD_ESCAPED];
    int octal = 0, len;
    fputc('"', f);
    for (int took; *s; s += took) {
        took = ptd_escape(s, piece, &len);
        const char *other = instead(s, took);
        octal = !other && (strchr("\"'`\\@$#%{}~^_&<>", *s) || (octal && *s >= '0' && *s <= '7'));
        if (octal)
            fprintf(f, "\\%03o", *s);
        else
            fwrite(other ? other : s, 1, other ? strlen(other) : (size_t)took, f);
    }
    fputs("\" noenhanced", f);
}

/* Runs the script; what comes out of gnuplot goes into the file. */
static int draw(struct ptd_gnuplot *p)
{
    char command[64], bytes[4096];
    int full = 0;
    FILE *to = ptd_file_on(dup(p->out));
    if (!to) return ptd_fail(PTD_CANTCREAT, "%s:", p->path);
    snprintf(command, sizeof command, "exec gnuplot /dev/fd/%d 2>/dev/null", p->script);
    FILE *from = popen(command, "re");
    if (!from) {
        ptd_fail(PTD_OSERR, "starting gnuplot:");
        fclose(to);
        return -1;
    }
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, from)) > 0;)
        full |= fwrite(bytes, 1, n, to) != n;
    full |= fclose(to) != 0;
    if (full) ptd_fail(PTD_IOERR, "%s: write:", p->path);
    int status = pclose(from);
    if (full || status == 0) return full ? -1 : 0;
    int killed = status > 0 && WIFSIGNALED(status);
    return ptd_fail(PTD_IOERR,
                    "%s: gnuplot failed (%s %d), expected status 0; an output that ends in .gp "
                    "keeps the script",
                    p->path, killed ? "signal" : "status",
                    killed       ? WTERMSIG(status)
                    : status > 0 ? WEXITSTATUS(status)
                                 : status);
}

int ptd_gnuplot_close(struct ptd_gnuplot *p)
{
    int rc = 0, lost = ferror(p->f); /* fclose only tells of what it writes itself */
    if (fclose(p->f) != 0 || lost) {
        if (lost) errno = EIO;
        rc = ptd_fail(PTD_IOERR, "%s: write:", p->path);
    }
    if (rc == 0 && p->script >= 0) rc = draw(p);
    if (rc == 0) rc = publish(p);
    if (rc < 0 && p->named) unlink(p->temp);
    clear(p);
    return rc;
}
