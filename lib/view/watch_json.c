/* watch_json: a run as JSON, for the page of ptd-watch --serve. */
#include "base/json.h"
#include "base/progress.h"
#include "view/watch_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *known(double x)
{
    return isfinite(x) && x >= 0 ? json_real(x) : json_null();
}

static json_t *program(const struct ptd_watch *w, int i)
{
    static const char *const does[PTD_DOINGS] = {"works", "reads", "writes", "waits"};
    const struct ptd_post *p = &w->post[i];
    const char *whom = ptd_progress_awaits(p, w->post, w->n_posts);
    json_t *o = json_object();
    ptd_json_put(o, "name", ptd_json_text(p->name));
    ptd_json_put(o, "pid", json_integer(p->pid));
    ptd_json_put(o, "does", json_string(does[p->doing]));
    ptd_json_put(o, "awaits", ptd_json_text(whom));
    ptd_json_put(o, "done", p->total ? json_integer(p->done) : json_null());
    ptd_json_put(o, "total", p->total ? json_integer(p->total) : json_null());
    ptd_json_put(o, "step", json_integer(p->step));
    ptd_json_put(o, "step_seconds", p->step ? json_real(p->step_work) : json_null());
    ptd_json_put(o, "busy", known(ptd_watch_busy(p)));
    ptd_json_put(o, "tokens_per_second", known(ptd_watch_speed(p)));
    ptd_json_put(o, "queued", json_integer(p->queued));
    ptd_json_put(o, "memory", json_integer((json_int_t)w->memory[i]));
    ptd_json_put(o, "groups", json_integer(p->groups));
    return o;
}

static json_t *answer(const char *said)
{
    static const char *const names[] = {"question", "answer", "outcome", "text"};
    char *part[4];
    json_t *o = json_object();
    ptd_watch_split(said, part);
    for (int i = 0; i < 4; i++) {
        ptd_json_put(o, names[i], ptd_json_text(part[i]));
        free(part[i]);
    }
    return o;
}

static char *text_of(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    return text;
}

char *ptd_watch_state(const struct ptd_watch *w)
{
    json_t *o = json_object(), *programs = json_array(), *answers = json_array(),
           *shown = json_array();
    const char *names[PTD_WATCH_FIELDS];
    int n = ptd_watch_choice(w, names);
    for (int i = 0; i < n; i++) json_array_append_new(shown, ptd_json_text(names[i]));
    for (int i = 0; i < w->n_posts; i++) json_array_append_new(programs, program(w, i));
    for (int i = 0; i < w->n_said; i++) json_array_append_new(answers, answer(w->said[i]));
    ptd_json_put(o, "store", ptd_json_text(w->dir));
    ptd_json_put(o, "generation", json_integer(w->generation));
    ptd_json_put(o, "steps", w->steps ? json_integer(w->steps) : json_null());
    ptd_json_put(o, "trained", json_boolean(w->trained));
    ptd_json_put(o, "eta", known(w->eta));
    ptd_json_put(o, "left", w->left == SIZE_MAX ? json_null() : json_integer((json_int_t)w->left));
    ptd_json_put(o, "lines", json_integer(w->read));
    ptd_json_put(o, "shown", shown);
    ptd_json_put(o, "programs", programs);
    ptd_json_put(o, "answers", answers);
    return text_of(o);
}

/* Point number `at` of at most `most`: the mean of its share of the points. */
static json_t *point(const struct ptd_watch_series *s, long at, long most)
{
    long first = at * s->n / most, last = (at + 1) * s->n / most;
    double x = 0, y = 0;
    for (long i = first; i < last; i++) x += s->x[i], y += s->y[i];
    json_t *p = json_array();
    json_array_append_new(p, json_real(x / (double)(last - first)));
    json_array_append_new(p, json_real(y / (double)(last - first)));
    return p;
}

char *ptd_watch_series(const struct ptd_watch *w, int most)
{
    json_t *o = json_object();
    for (int i = 0; i < w->n_series; i++) {
        const struct ptd_watch_series *s = &w->series[i];
        long n = s->n < most ? s->n : most;
        json_t *points = json_array();
        for (long k = 0; k < n; k++) json_array_append_new(points, point(s, k, n));
        json_object_set_new(o, s->name, points);
    }
    return text_of(o);
}
