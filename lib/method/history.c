/* history: see history.h. When it is asked and told is refill.c's. */
#include "method/history.h"
#include "base/rng.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void count(struct ptd_history *h, int row, double accuracy)
{
    double *past = &h->past[row];
    *past = *past < 0 ? accuracy : (*past + accuracy) / 2;
}

/* ---- the store ---- */

static char *text_of(const struct ptd_told *t)
{
    json_t *rows = json_array(), *accuracy = json_array();
    for (int i = 0; i < t->n; i++) {
        json_array_append_new(rows, json_integer(t->rows[i]));
        json_array_append_new(accuracy, json_real(t->accuracy[i]));
    }
    json_t *o = json_pack("{s:I, s:I, s:o, s:o}", "position", (json_int_t)t->position, "kept",
                          (json_int_t)t->kept, "rows", rows, "accuracy", accuracy);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static int read_row(struct ptd_history *h, json_t *row, json_t *accuracy)
{
    json_int_t at = json_integer_value(row);
    double a = json_number_value(accuracy);
    if (!json_is_integer(row) || !json_is_number(accuracy) || at < 0 || at >= h->rows || a < 0 ||
        a > 1)
        return -1;
    count(h, (int)at, a);
    return 0;
}

static int read_record(struct ptd_history *h, json_t *o)
{
    json_t *position = json_object_get(o, "position"), *rows = json_object_get(o, "rows"),
           *accuracy = json_object_get(o, "accuracy");
    if (!json_is_integer(position) || json_integer_value(position) < 0 || !json_is_array(rows) ||
        !json_is_array(accuracy) || json_array_size(rows) != json_array_size(accuracy))
        return -1;
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (read_row(h, json_array_get(rows, i), json_array_get(accuracy, i)) < 0) return -1;
    h->position = json_integer_value(position);
    return 0;
}

/* A step without a record was made before there were any. */
static int read_step(struct ptd_history *h, int64_t step)
{
    char *text = ptd_store_get_asked(h->store, step);
    if (!text) return 0;
    json_t *o = json_loads(text, 0, NULL);
    int rc = read_record(h, o);
    json_decref(o);
    free(text);
    if (rc == 0) return 1;
    return ptd_fail(PTD_DATAERR, "%s: what step %lld asked is no record of a data set of %d rows",
                    ptd_store_path(h->store), (long long)step, h->rows);
}

int ptd_history_open(struct ptd_history *h, struct ptd_store *store, int rows, int64_t head,
                     int64_t position)
{
    *h =
        (struct ptd_history){.store = store, .rows = rows, .past = ptd_array(rows, sizeof(double))};
    for (int i = 0; i < rows; i++) h->past[i] = -1;
    int found = 0;
    for (int64_t s = 1; s <= head && found >= 0; s++) found = read_step(h, s);
    if (!found) h->position = position;
    return found < 0 ? -1 : 0;
}

int ptd_history_add(struct ptd_history *h, int64_t step, const struct ptd_told *t)
{
    char *text = text_of(t);
    int rc = ptd_store_put_asked(h->store, step, text);
    free(text);
    for (int i = 0; i < t->n; i++) count(h, t->rows[i], t->accuracy[i]);
    h->position = t->position;
    return rc;
}

void ptd_history_clear(struct ptd_history *h)
{
    free(h->past);
    *h = (struct ptd_history){0};
}

/* ---- what is asked again ---- */

static double weight(const struct ptd_history *h, const uint8_t *taken, int row)
{
    return h->past[row] < 0 || taken[row] ? 0 : 1 - h->past[row];
}

/* The row in whose share of all weights `at` lies; -1: all weights are 0. */
static int row_at(const struct ptd_history *h, const uint8_t *taken, double share)
{
    double total = 0, sum = 0;
    int last = -1;
    for (int i = 0; i < h->rows; i++) total += weight(h, taken, i);
    for (int i = 0; i < h->rows && (last < 0 || sum <= share * total); i++) {
        double w = weight(h, taken, i);
        if (w > 0) last = i;
        sum += w;
    }
    return last;
}

int ptd_history_again(const struct ptd_history *h, uint64_t seed, int64_t step, int first, int n,
                      uint8_t *taken, int *again)
{
    for (int i = 0; i < n; i++) {
        double u = ptd_uniform(seed, PTD_RNG_AGAIN, (uint32_t)step, (uint32_t)(first + i), 0);
        if ((again[i] = row_at(h, taken, u)) < 0) return i;
        taken[again[i]] = 1;
    }
    return n;
}
