/* gnuplot: starting it, its terminals, quoting, and the rename at the end.
 * Leaves what is drawn to ptd-plot. */
#include "gnuplot.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

struct ptd_gnuplot {
    FILE *f;
    int piped; /* into gnuplot; else f is a script file */
    char *path, *temp;
};

static const struct {
    const char *ending, *terminal;
} kinds[] = {
    {".svg",
     "svg size %d,%d dynamic noenhanced font 'DejaVu Sans,Verdana,sans-serif,12' background '#ffffff'"},
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

static FILE *start(const char *temp, int piped)
{
    FILE *f;
    if (!piped) {
        if (!(f = fopen(temp, "we"))) ptd_fail(PTD_CANTCREAT, "%s:", temp);
        return f;
    }
    if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
        ptd_fail(PTD_UNAVAILABLE, "gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* gnuplot's end shows in its status */
    if (!(f = popen("exec gnuplot - 2>/dev/null", "we"))) ptd_fail(PTD_OSERR, "starting gnuplot:");
    return f;
}

static void set_terminal(struct ptd_gnuplot *p, int kind, int width, int height)
{
    if (!p->piped) return;
    fputs("set terminal ", p->f);
    fprintf(p->f, kinds[kind].terminal, width, height);
    fputs("\nset output ", p->f);
    ptd_gnuplot_quote(p->f, p->temp);
    fputs("\n", p->f);
}

static void clear(struct ptd_gnuplot *p)
{
    free(p->path);
    free(p->temp);
    free(p);
}

struct ptd_gnuplot *ptd_gnuplot_open(const char *path, int width, int height)
{
    int kind = kind_of(path), made;
    if (kind < 0) return NULL;
    struct ptd_gnuplot *p = ptd_alloc(sizeof *p);
    p->path = ptd_strdup(path);
    p->temp = ptd_format("%s.%ld.tmp", path, (long)getpid());
    p->piped = strcmp(kinds[kind].terminal, "unknown") != 0;
    FILE *probe = fopen(p->temp, "we");
    if ((made = probe != NULL))
        fclose(probe);
    else
        ptd_fail(PTD_CANTCREAT, "%s:", path);
    p->f = made ? start(p->temp, p->piped) : NULL;
    if (p->f) {
        set_terminal(p, kind, width, height);
        return p;
    }
    if (made) unlink(p->temp);
    clear(p);
    return NULL;
}

FILE *ptd_gnuplot_script(struct ptd_gnuplot *p)
{
    return p->f;
}

/* Single quotes hold everything but themselves and line ends. */
void ptd_gnuplot_quote(FILE *f, const char *s)
{
    fputc('\'', f);
    for (; *s; s++) {
        if (*s == '\'') fputc('\'', f);
        fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
    }
    fputc('\'', f);
}

int ptd_gnuplot_close(struct ptd_gnuplot *p)
{
    int bad = ferror(p->f), rc = 0;
    int status = p->piped ? pclose(p->f) : fclose(p->f);
    if (bad || status != 0)
        rc = ptd_fail(
            PTD_IOERR,
            "%s: gnuplot failed (status %d), expected 0; an output that ends in .gp keeps the script",
            p->path, p->piped && status > 0 ? WEXITSTATUS(status) : status);
    else if (access(p->temp, R_OK) != 0 || rename(p->temp, p->path) != 0)
        rc = ptd_fail(PTD_CANTCREAT, "%s:", p->path);
    if (rc < 0) unlink(p->temp);
    clear(p);
    return rc;
}
