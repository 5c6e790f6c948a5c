/* watch: see watch.h; what there is to see. Leaves showing it to watch_text.c and watch_json.c. */
#include "base/progress.h"
#include "base/room.h"
#include "view/watch_private.h"
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is shown of a run of which nothing was asked, as far as it is there. */
static const char *const usual[] = {
    "reward/accuracy",     "actor/loss",    "actor/entropy",   "response_length/mean",
    "val/accuracy_reward", "actor/kl_loss", "actor/grad_norm", "group_reward/all_fail_ratio",
    "actor/ptd_kl",        "timing_s/step"};
#define USUAL ((int)(sizeof usual / sizeof *usual))

/* ---- metrics ---- */

const struct ptd_watch_series *ptd_watch_find(const struct ptd_watch *w, const char *name)
{
    const json_t *at = json_object_get(w->index, name);
    return at ? &w->series[json_integer_value(at)] : NULL;
}

static struct ptd_watch_series *series_of(struct ptd_watch *w, const char *name)
{
    const struct ptd_watch_series *known = ptd_watch_find(w, name);
    if (known) return &w->series[known - w->series];
    w->series = ptd_realloc(w->series, (size_t)(w->n_series + 1) * sizeof *w->series);
    json_object_set_new(w->index, name, json_integer(w->n_series));
    w->series[w->n_series] = (struct ptd_watch_series){.name = ptd_strdup(name)};
    return &w->series[w->n_series++];
}

static void add_point(struct ptd_watch_series *s, double x, double y)
{
    while (s->n > 0 && s->x[s->n - 1] >= x) s->n--; /* begun anew */
    if (s->n == PTD_WATCH_POINTS) return;
    if (s->n == s->cap) {
        s->cap = 2 * s->cap + 256;
        s->x = ptd_realloc(s->x, (size_t)s->cap * sizeof *s->x);
        s->y = ptd_realloc(s->y, (size_t)s->cap * sizeof *s->y);
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
}

static void add_line(struct ptd_watch *w, const struct ptd_line *line)
{
    const char *key;
    json_t *v;
    w->read++;
    json_object_foreach (line->object, key, v) {
        if (strcmp(key, "step") != 0 && json_is_number(v))
            add_point(series_of(w, key), (double)line->step, json_number_value(v));
    }
}

static int read_lines(struct ptd_watch *w)
{
    struct ptd_line line;
    for (int i = 0; i < w->n_lines; i++) {
        int got;
        while ((got = ptd_lines_next(w->lines[i], 0, &line)) > 0) add_line(w, &line);
        if (got < 0) return -1;
    }
    return 0;
}

int ptd_watch_choice(const struct ptd_watch *w, const char *names[PTD_WATCH_FIELDS])
{
    int n = 0;
    for (int i = 0; i < w->n_chosen; i++) names[n++] = w->chosen[i];
    for (int i = 0; i < USUAL && !w->n_chosen; i++)
        if (ptd_watch_find(w, usual[i])) names[n++] = usual[i];
    for (int i = 0; i < w->n_series && !n; i++) names[n++] = w->series[i].name;
    return n;
}

/* ---- programs ---- */

static size_t memory_of(int pid)
{
    char path[40];
    unsigned long long all, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%llu %llu", &all, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

double ptd_watch_busy(const struct ptd_post *p)
{
    double now = ptd_now(), all = now - p->begun;
    double worked = p->spent[PTD_WORKS] + (p->doing == PTD_WORKS ? now - p->since : 0);
    return all > 0 ? fmin(1, worked / all) : 0;
}

double ptd_watch_speed(const struct ptd_post *p)
{
    double worked = ptd_watch_busy(p) * (ptd_now() - p->begun);
    return worked > 0.1 ? (double)p->tokens / worked : 0;
}

static void keep_said(struct ptd_watch *w, const char *text)
{
    if (!*text || (w->n_said && strcmp(w->said[0], text) == 0)) return;
    if (w->n_said == PTD_WATCH_SAID) free(w->said[--w->n_said]);
    memmove(w->said + 1, w->said, (size_t)w->n_said++ * sizeof *w->said);
    w->said[0] = ptd_strdup(text);
}

void ptd_watch_split(const char *said, char *part[4])
{
    for (int i = 0; i < 4; i++) {
        size_t n = i < 3 ? strcspn(said, "\n") : strlen(said);
        part[i] = ptd_format("%.*s", (int)n, said);
        said += n + (said[n] != 0);
    }
}

static void count_on(struct ptd_watch *w, const struct ptd_post *p)
{
    double did = (double)(p->done - p->first), todo = (double)(p->total - p->done);
    if (strcmp(p->name, "ptd-update") != 0) return;
    w->steps = p->total;
    if (did > 0 && todo >= 0) w->eta = (ptd_now() - p->begun) / did * todo;
}

static void look_at_programs(struct ptd_watch *w)
{
    static struct ptd_post all[PTD_POSTS];
    int n = ptd_board_list(all);
    w->n_posts = 0;
    w->eta = -1;
    for (int i = 0; i < n; i++) {
        const struct ptd_post *p = &all[i];
        if (p->dev != w->dev || p->ino != w->ino) continue;
        w->memory[w->n_posts] = memory_of(p->pid);
        w->post[w->n_posts++] = *p;
        count_on(w, p);
    }
    /* of several that pass the same groups on, the last one */
    for (int i = w->n_posts - 1; i >= 0; i--)
        if (*w->post[i].said) {
            keep_said(w, w->post[i].said);
            break;
        }
}

/* ---- all ---- */

int ptd_watch_look(struct ptd_watch *w)
{
    if (ptd_store_head(w->store, &w->generation) < 0) return -1;
    w->trained = ptd_store_trained(w->store);
    w->left = ptd_room_left();
    look_at_programs(w);
    return read_lines(w);
}

static void choose(struct ptd_watch *w, const char *fields)
{
    while (fields && w->n_chosen < PTD_WATCH_FIELDS) {
        size_t n = strcspn(fields, ",");
        w->chosen[w->n_chosen++] = ptd_format("%.*s", (int)n, fields);
        fields = fields[n] ? fields + n + 1 : NULL;
    }
}

static int open_lines(struct ptd_watch *w, const char *path)
{
    struct ptd_lines *l = ptd_lines_open(path);
    if (!l) return -1;
    w->lines = ptd_realloc(w->lines, (size_t)(w->n_lines + 1) * sizeof *w->lines);
    w->lines[w->n_lines++] = l;
    return 0;
}

static int open_beside(struct ptd_watch *w)
{
    char *copy = ptd_strdup(w->dir), *path = ptd_format("%s/metrics.jsonl", dirname(copy));
    int rc = access(path, R_OK) == 0 ? open_lines(w, path) : 0;
    free(path);
    free(copy);
    return rc;
}

static int open_all(struct ptd_watch *w, char *const *files, int n)
{
    struct stat st;
    if (ptd_store_open(&w->store, w->dir, PTD_STORE_READ) < 0) return -1;
    if (stat(w->dir, &st)) return ptd_fail(PTD_NOINPUT, "%s:", w->dir);
    w->dev = st.st_dev, w->ino = st.st_ino;
    for (int i = 0; i < n; i++)
        if (open_lines(w, files[i]) < 0) return -1;
    return n ? 0 : open_beside(w);
}

struct ptd_watch *ptd_watch_open(const char *store, char *const *files, int n, const char *fields)
{
    struct ptd_watch *w = ptd_alloc(sizeof *w);
    w->dir = ptd_strdup(store);
    w->index = json_object();
    choose(w, fields);
    if (open_all(w, files, n) == 0) return w;
    ptd_watch_close(w);
    return NULL;
}

void ptd_watch_close(struct ptd_watch *w)
{
    if (w->store) ptd_store_close(w->store);
    for (int i = 0; i < w->n_lines; i++) ptd_lines_close(w->lines[i]);
    for (int i = 0; i < w->n_series; i++) {
        free(w->series[i].name);
        free(w->series[i].x);
        free(w->series[i].y);
    }
    for (int i = 0; i < w->n_chosen; i++) free(w->chosen[i]);
    for (int i = 0; i < w->n_said; i++) free(w->said[i]);
    free(w->lines);
    free(w->series);
    json_decref(w->index);
    free(w->dir);
    free(w);
}
