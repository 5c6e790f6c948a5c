/* The option table at work: getopt_long's arguments, --help with real defaults, range checks.
 * Leaves to programs: operands, and rules between options. */
#include "base/opt.h"
#include "base/command.h"
#include "base/err.h"
#include "base/near.h"
#include "base/opt_file.h"
#include "base/opt_value.h"
#include "base/output.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_BASE    1000 /* value of --no-NAME: NO_BASE + index; of --NAME: TABLE_BASE + index */
#define TABLE_BASE 2000
#define OWN_BASE   3000 /* of those of every program that have no letter */
#define INDENT     30

enum { OPTIONS, PRINT_CONFIG, DESCRIBE, QUIET, HELP, VERSION };
static const struct ptd_opt own[] = {
    {"options", 0, PTD_OPT_STR, NULL, "FILE",
     "options by long name from a JSON object, or those of this program from one by program; the "
     "command line wins",
     0, 0},
    {"print-config", 0, PTD_OPT_FLAG, NULL, NULL,
     "only print what all options are, as --options reads it", 0, 0},
    {"describe", 0, PTD_OPT_FLAG, NULL, NULL, "only print what --help says as JSON", 0, 0},
    {"quiet", 'q', PTD_OPT_FLAG, NULL, NULL, "no closing line, no progress", 0, 0},
    {"help", 'h', PTD_OPT_FLAG, NULL, NULL, "this text", 0, 0},
    {"version", 'V', PTD_OPT_FLAG, NULL, NULL, "the version", 0, 0},
    {0}};

struct parser {
    const struct ptd_usage *u;
    int n, preset;   /* options; 1 + which one names a preset */
    char *given;     /* [n] 1: in a file; 2: on the command line */
    char **defaults; /* [n] text of each default before parsing */
    char **no_names; /* [n] "no-NAME" of flags */
    uint8_t *filed;  /* [n] 1: a list that a file filled, which the command line begins anew */
    int prints;      /* 1: --print-config */
    struct option *longs;
    char shorts[160];
};

void ptd_misuse(const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ptd_die(PTD_USAGE, "%s; try %s --help", text, ptd_program_name());
}

/* ---- the help page ---- */

static void print_option(const struct ptd_opt *o, const char *preset)
{
    char left[80], letter[8] = "    ";
    int on = o->kind == PTD_OPT_FLAG && *preset;
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s%s", letter, on ? "[no-]" : "", o->name,
             o->arg ? " " : "", o->arg ? o->arg : "");
    printf("%-*s%s%s", INDENT - 1, left, strlen(left) >= INDENT - 1 ? "  " : " ", o->help);
    if (*preset && !strstr(o->help, "(default")) printf(" (default %s)", preset);
    putchar('\n');
}

static void print_examples(const char *examples)
{
    while (examples && *examples) {
        int n = (int)strcspn(examples, "\n");
        printf("  %.*s\n", n, examples);
        examples += n + (examples[n] == '\n');
    }
}

static _Noreturn void finish_stdout(void)
{
    ptd_stdout_flush();
    exit(PTD_OK);
}

static _Noreturn void print_help(const struct parser *p)
{
    const struct ptd_usage *u = p->u;
    printf("usage: %s [options]%s%s\n%s\n", u->name, u->operands && *u->operands ? " " : "",
           u->operands ? u->operands : "", u->summary);
    print_examples(u->examples);
    for (int i = 0; i < p->n; i++) print_option(&u->options[i], p->defaults[i]);
    for (int i = 0; i < HELP; i++) print_option(&own[i], "");
    puts("  -h, --help; -V, --version   this text; the version");
    printf("status: %s\n", u->statuses ? u->statuses : PTD_STATUSES);
    finish_stdout();
}

static _Noreturn void print_version(const struct ptd_usage *u)
{
    printf("%s (ptd) %s\n", u->name, PTD_VERSION);
    finish_stdout();
}

/* ---- getopt_long ---- */

static int letter_taken(const struct ptd_usage *u, int letter)
{
    for (const struct ptd_opt *o = u->options; o && o->name; o++)
        if (o->letter == letter) return 1;
    return 0;
}

static void add_letter(struct parser *p, char letter, int has_arg)
{
    size_t n = strlen(p->shorts);
    if (n + 3 > sizeof p->shorts) ptd_die(PTD_BUG, "too many short options");
    snprintf(p->shorts + n, sizeof p->shorts - n, "%c%s", letter, has_arg ? ":" : "");
}

static void build_longs(struct parser *p)
{
    struct option *l = p->longs = ptd_array((size_t)p->n * 2 + VERSION + 2, sizeof *l);
    strcpy(p->shorts, ":");
    for (int i = 0; i < p->n; i++) {
        const struct ptd_opt *o = &p->u->options[i];
        int has_arg = o->kind != PTD_OPT_FLAG;
        *l++ = (struct option){o->name, has_arg, NULL, TABLE_BASE + i};
        if (o->letter) add_letter(p, o->letter, has_arg);
        if (has_arg) continue;
        p->no_names[i] = ptd_format("no-%s", o->name);
        *l++ = (struct option){p->no_names[i], 0, NULL, NO_BASE + i};
    }
    for (int i = 0; own[i].name; i++) {
        *l++ = (struct option){own[i].name, own[i].arg != NULL, NULL, OWN_BASE + i};
        if (own[i].letter && !letter_taken(p->u, own[i].letter)) add_letter(p, own[i].letter, 0);
    }
}

static const struct ptd_opt *by_letter(const struct parser *p, int letter)
{
    for (int i = 0; i < p->n; i++)
        if (p->u->options[i].letter == letter) return &p->u->options[i];
    return NULL;
}

static int count_matches(const struct parser *p, const char *name)
{
    int n = 0;
    size_t len = strcspn(name, "=");
    for (const struct option *l = p->longs; l->name; l++) n += strncmp(l->name, name, len) == 0;
    return n;
}

/* The long name nearest to one that is unknown, or NULL. */
static const char *meant_by(const struct parser *p, const char *word)
{
    const char *names[256];
    char name[64];
    int n = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (const struct option *l = p->longs; l->name && n < 256; l++) names[n++] = l->name;
    return ptd_near(name, names, n);
}

static _Noreturn void refuse_option(const struct parser *p, const char *word)
{
    int is_long = strncmp(word, "--", 2) == 0;
    if (optopt > 0 && !is_long) ptd_misuse("unknown option -%c", optopt);
    if (optopt) ptd_misuse("option %.64s takes no argument", word);
    if (is_long && count_matches(p, word + 2) > 1) ptd_misuse("ambiguous option %.64s", word);
    const char *meant = is_long ? meant_by(p, word + 2) : NULL;
    ptd_misuse("unknown option %.64s%s%s%s", word, meant ? " (--" : "", meant ? meant : "",
               meant ? " is one)" : "");
}

static void take_own(struct parser *p, int i)
{
    if (i == PRINT_CONFIG) p->prints = 1;
    if (i == QUIET) ptd_quiet(1);
    if (i == HELP) print_help(p);
    if (i == VERSION) print_version(p->u);
    if (i == DESCRIBE) {
        ptd_opt_describe(p->u, own, p->defaults);
        finish_stdout();
    }
}

static int own_by_letter(int letter)
{
    int i = 0;
    while (own[i].name && own[i].letter != letter) i++;
    return i;
}

/* An option of the program's table, or NULL. */
static const struct ptd_opt *chosen(const struct parser *p, int code, int long_index)
{
    if (code >= TABLE_BASE && code < OWN_BASE) return &p->u->options[code - TABLE_BASE];
    return long_index < 0 && code < 256 ? by_letter(p, code) : NULL;
}

static void take(struct parser *p, int code, char **argv, int long_index)
{
    const struct ptd_opt *o = chosen(p, code, long_index);
    if (o) p->given[o - p->u->options] = 2;
    if (code == '?') refuse_option(p, argv[optind - 1]);
    if (code == ':') ptd_misuse("option %.64s needs an argument", argv[optind - 1]);
    if (o && p->filed[o - p->u->options]) {
        ((struct ptd_opt_list *)o->value)->n = 0;
        p->filed[o - p->u->options] = 0;
    }
    if (o)
        ptd_opt_set(o, NULL, optarg);
    else if (code >= OWN_BASE)
        take_own(p, code - OWN_BASE);
    else if (code >= NO_BASE)
        *(int *)p->u->options[code - NO_BASE].value = 0, p->given[code - NO_BASE] = 2;
    else
        take_own(p, own_by_letter(code));
}

/* ---- files of options ---- */

/* 1: what it was set to is what it points to, for good. */
static int keeps_text(const struct ptd_opt *o)
{
    return o->kind == PTD_OPT_STR || o->kind == PTD_OPT_LIST || o->kind == PTD_OPT_PRESET;
}

static void set_filed_list(struct parser *p, const struct ptd_opt *o, const char *file,
                           json_t *value)
{
    size_t i;
    json_t *one;
    json_array_foreach(value, i, one)
    {
        char *text = ptd_opt_file_text(one);
        if (!text) ptd_opt_refuse(o, file, "...", "a list of texts");
        ptd_opt_set(o, file, text); /* kept for good */
    }
    p->filed[o - p->u->options] = 1;
}

static void set_filed(struct parser *p, const struct ptd_opt *o, const char *file, json_t *value)
{
    char *text = ptd_opt_file_text(value);
    if (o->kind == PTD_OPT_FLAG && !json_is_boolean(value))
        ptd_opt_refuse(o, file, text ? text : "...", "true or false");
    else if (o->kind == PTD_OPT_FLAG)
        *(int *)o->value = json_is_true(value);
    else if (o->kind == PTD_OPT_LIST && json_is_array(value))
        set_filed_list(p, o, file, value);
    else if (!text)
        ptd_opt_refuse(o, file,
                       json_is_boolean(value) ? json_is_true(value) ? "true" : "false" : "...",
                       "a number or a text");
    else
        ptd_opt_set(o, file, text);
    if (!keeps_text(o)) free(text);
}

/* The nearest of those that may stand in a file, by its letter, too; NULL: none is near. */
static const char *key_meant_by(const struct ptd_usage *u, const char *key)
{
    const char *names[256];
    int n = 0;
    key += strspn(key, "-");
    for (const struct ptd_opt *o = u->options; o && o->name && n < 256; o++) {
        if (key[0] == o->letter && key[0] && !key[1]) return o->name;
        names[n++] = o->name;
    }
    return ptd_near(key, names, n);
}

static _Noreturn void refuse_key(const struct parser *p, const char *path, const char *key)
{
    for (const struct option *l = p->longs; l->name; l++)
        if (strcmp(l->name, key) == 0)
            ptd_misuse("%s: \"%.64s\" is for the command line alone%s", path, key,
                       strncmp(key, "no-", 3) ? "" : "; a file says false");
    const char *meant = key_meant_by(p->u, key);
    ptd_misuse("%s: unknown option \"%.64s\"%s%s%s", path, key, meant ? " (\"" : "",
               meant ? meant : "", meant ? "\" is one)" : "");
}

/* The name of a preset alone, or all but that. */
static void read_file(struct parser *p, const char *path, int preset)
{
    const char *key;
    json_t *value, *all = ptd_opt_file_read(path, p->u->name);
    if (!all) ptd_die_last();
    json_object_foreach (all, key, value) {
        int i = 0;
        while (i < p->n && strcmp(p->u->options[i].name, key)) i++;
        if (i == p->n) refuse_key(p, path, key);
        if (json_is_null(value) || (i == p->preset - 1) != preset) continue;
        set_filed(p, &p->u->options[i], path, value);
        p->given[i] = 1;
    }
    json_decref(all);
}

/* Before the command line is taken, which wins. */
static void read_files(struct parser *p, int argc, char **argv, int preset)
{
    int code;
    optind = 0;
    while ((code = getopt_long(argc, argv, p->shorts, p->longs, NULL)) != -1)
        if (code == OWN_BASE + OPTIONS) read_file(p, optarg, preset);
}

/* ---- presets ---- */

/* The value of the option that names a preset, wherever it stands, a file's last; NULL: it is not
 * there. */
static const char *preset_named(struct parser *p, int argc, char **argv)
{
    char **copy = ptd_array((size_t)argc + 1, sizeof *copy);
    const char *name = NULL;
    int code;
    memcpy(copy, argv, (size_t)argc * sizeof *copy); /* which getopt_long permutes */
    optind = 0;
    while ((code = getopt_long(argc, copy, p->shorts, p->longs, NULL)) != -1)
        if (code == TABLE_BASE + p->preset - 1) name = optarg;
    free(copy);
    if (name) return name;
    read_files(p, argc, argv, 1);
    return *(const char **)p->u->options[p->preset - 1].value;
}

static void set_preset(const struct parser *p, const char *name)
{
    if (!p->u->preset(name, NULL)) ptd_misuse("%s", ptd_failed_message());
    for (int i = 0; i < p->n; i++) {
        const char *text = p->u->preset(name, p->u->options[i].name);
        if (text) ptd_opt_set(&p->u->options[i], NULL, text);
    }
}

/* "--method dapo: --loss ppo --beta 0; as given: --clip-high" */
static void tell_preset(const struct parser *p, const char *name)
{
    char *set = ptd_strdup(""), *given = ptd_strdup("");
    for (int i = 0; i < p->n; i++) {
        const struct ptd_opt *o = &p->u->options[i];
        const char *text = p->u->preset(name, o->name);
        char **words = p->given[i] ? &given : &set, *longer;
        if (!text) continue;
        longer = ptd_format("%s --%s%s%s", *words, o->name, p->given[i] ? "" : " ",
                            p->given[i] ? "" : text);
        free(*words);
        *words = longer;
    }
    ptd_info("--%s %s:%s%s%s", p->u->options[p->preset - 1].name, name, *set ? set : " nothing",
             *given ? "; as given:" : "", given);
    free(set);
    free(given);
}

/* ---- what was given ---- */

/* of the command line parsed last */
static const struct ptd_opt *said;
static char *given;

int ptd_opt_given(const char *name)
{
    for (int i = 0; said && said[i].name; i++)
        if (!strcmp(said[i].name, name)) return given[i] == 2;
    return 0;
}

void ptd_opt_needs(const char *name, int used, const char *needs)
{
    if (!used && ptd_opt_given(name))
        ptd_misuse("--%s: without effect, expected %s beside it", name, needs);
}

/* ---- what was decided ---- */

static char *decided;

struct words {
    char **at;
    int n;
};

static void add_word(struct words *w, char *word)
{
    w->at = ptd_realloc(w->at, (size_t)(w->n + 1) * sizeof *w->at);
    w->at[w->n++] = word;
}

/* "--top-k 8", if it is not the default; a list's once for each of its values. */
static void add_option(struct words *w, const struct ptd_opt *o, const char *preset)
{
    const struct ptd_opt_list *l = o->kind == PTD_OPT_LIST ? o->value : NULL;
    for (int i = 0; l && i < l->n; i++) {
        add_word(w, ptd_format("--%s", o->name));
        add_word(w, ptd_strdup(l->at[i]));
    }
    char *now = ptd_opt_text(o);
    int same = strcmp(now, preset) == 0, flag = o->kind == PTD_OPT_FLAG;
    if (!same) add_word(w, ptd_format("--%s%s", flag && !*now ? "no-" : "", o->name));
    if (!same && !flag)
        add_word(w, now);
    else
        free(now);
}

static void note_decided(const struct parser *p)
{
    struct words w = {0};
    add_word(&w, ptd_strdup(p->u->name));
    for (int i = 0; i < p->n; i++)
        if (!p->u->options[i].idle) add_option(&w, &p->u->options[i], p->defaults[i]);
    free(decided);
    decided = ptd_command_line(w.n, w.at);
    while (w.n > 0) free(w.at[--w.n]);
    free(w.at);
}

const char *ptd_opt_decided(void)
{
    return decided;
}

static void free_parser(struct parser *p)
{
    for (int i = 0; i < p->n; i++) free(p->defaults[i]), free(p->no_names[i]);
    free(p->defaults);
    free(p->no_names);
    free(p->filed);
    free(p->longs);
}

int ptd_opt_parse(const struct ptd_usage *u, int argc, char **argv)
{
    struct parser p = {.u = u};
    int code, long_index = -1;
    ptd_program(u->name);
    ptd_stdout_open();
    while (u->options && u->options[p.n].name) p.n++;
    p.defaults = ptd_array((size_t)p.n, sizeof *p.defaults);
    p.no_names = ptd_array((size_t)p.n, sizeof *p.no_names);
    p.given = ptd_alloc((size_t)p.n + 1);
    p.filed = ptd_array((size_t)p.n, sizeof *p.filed);
    for (int i = 0; i < p.n; i++) {
        p.defaults[i] = ptd_opt_text(&u->options[i]);
        if (u->options[i].kind == PTD_OPT_PRESET) p.preset = 1 + i;
    }
    build_longs(&p);
    opterr = 0;
    const char *preset = p.preset ? preset_named(&p, argc, argv) : NULL;
    if (preset) set_preset(&p, preset);
    read_files(&p, argc, argv, 0);
    optind = 0;
    while ((code = getopt_long(argc, argv, p.shorts, p.longs, &long_index)) != -1) {
        take(&p, code, argv, long_index);
        long_index = -1;
    }
    if (preset) tell_preset(&p, preset);
    free(given);
    said = u->options;
    given = p.given;
    note_decided(&p);
    if (p.prints) {
        ptd_opt_print_config(u);
        finish_stdout();
    }
    free_parser(&p);
    return optind;
}
