/* ptd: runs the others by their short names, and says which there are.
 *
 *     ptd rollout -s run.ptd train.jsonl     is ptd-rollout -s run.ptd train.jsonl
 *     ptd help rollout
 *
 * A program is what lies beside this one, or else on the path, under the name ptd-NAME. */
#include "base/err.h"
#include "base/near.h"
#include "base/opt.h"
#include "base/output.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 64

static const struct ptd_opt no_options[] = {{0}};
static const struct ptd_usage usage = {
    "ptd",
    "COMMAND [ARGUMENTS] | help [COMMAND]",
    "run a program of ptd by its short name; without one, list them",
    "ptd rollout -s run.ptd train.jsonl | ptd verify | ptd hint | ptd ref | ptd update\n"
    "ptd help rollout",
    no_options,
    "0 done, 2 misuse, 71 no memory, 74 i/o, else that of the program"};

static char here[PATH_MAX]; /* the folder this program lies in */
static char *names[MOST];
static int n_names;

static void find_here(void)
{
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    if (n < 0) ptd_die(PTD_OSERR, "/proc/self/exe:");
    here[n] = 0;
    *strrchr(here, '/') = 0;
}

static int is_ours(const struct dirent *e)
{
    char path[PATH_MAX + NAME_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", here, e->d_name);
    return !strncmp(e->d_name, "ptd-", 4) && !access(path, X_OK);
}

static void find_names(void)
{
    struct dirent **list;
    int n = scandir(here, &list, is_ours, alphasort);
    for (int i = 0; i < n; i++) {
        if (n_names < MOST) names[n_names++] = ptd_strdup(list[i]->d_name + 4);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

/* What a program says it does; malloc'd, empty if it says nothing. */
static char *summary_of(const char *name)
{
    char *command = ptd_format("'%s/ptd-%s' --describe 2> /dev/null", here, name), *text = NULL;
    FILE *f = strchr(here, '\'') ? NULL : popen(command, "re");
    json_t *said = f ? json_loadf(f, 0, NULL) : NULL;
    const char *summary = json_string_value(json_object_get(said, "summary"));
    text = ptd_strdup(summary ? summary : "");
    if (f) pclose(f);
    json_decref(said);
    free(command);
    return text;
}

static void list(void)
{
    puts("usage: ptd COMMAND [ARGUMENTS]; ptd help COMMAND\n");
    for (int i = 0; i < n_names; i++) {
        char *summary = summary_of(names[i]);
        printf("  %-10s %s\n", names[i], summary);
        free(summary);
    }
    ptd_stdout_flush();
}

/* The only one that begins so, or the nearest. */
static const char *meant_by(const char *word)
{
    const char *begins = NULL;
    int n = 0;
    for (int i = 0; i < n_names; i++)
        if (!strncmp(names[i], word, strlen(word))) begins = names[i], n++;
    return n == 1 ? begins : ptd_near(word, (const char *const *)names, n_names);
}

/* argv[0] becomes ptd-NAME, as which the name may be given, too. */
static _Noreturn void run(const char *name, char **argv)
{
    if (!strncmp(name, "ptd-", 4)) name += 4;
    char *beside = ptd_format("%s/ptd-%s", here, name), *own = ptd_format("ptd-%s", name);
    argv[0] = own;
    if (!strchr(name, '/')) {
        execv(beside, argv);
        execvp(own, argv);
        if (errno != ENOENT) ptd_die(PTD_OSERR, "%s:", beside);
    }
    const char *meant = meant_by(name);
    ptd_misuse("there is no command \"%.64s\"%s%s%s", name, meant ? "; did you mean \"" : "",
               meant ? meant : "", meant ? "\"?" : "");
}

int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "help";
    int asked = !strcmp(first, "help") || !strcmp(first, "--help") || !strcmp(first, "-h");
    char *help[] = {NULL, "--help", NULL};
    ptd_program("ptd");
    find_here();
    find_names();
    if (!asked && *first == '-') {
        ptd_opt_parse(&usage, argc, argv);
        ptd_misuse("expected a command first");
    }
    if (!asked) run(first, argv + 1);
    if (argc > 2) run(argv[2], help);
    ptd_stdout_open();
    list();
    return PTD_OK;
}
