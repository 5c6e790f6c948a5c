/* store_publish: publishing generations in bounded transactions, going back by one, filling new
 * stores. How a tensor is laid out is left to store_piece.c and store_fill.c. */
#include "store/store_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACK "run/" /* before the generation that the store can go back to */

/* A publication on its way: what is written next, and what the last transaction does. */
struct job {
    struct ptd_writing runs[5];
    int n_runs;
    int run, tensor; /* the next piece, and where it would begin after the present transaction */
    size_t first;
    int64_t generation, earliest; /* earliest: of those it brings */
    const char *text;             /* state/run */
    int keep, pin, partial, can_go_back;
    struct ptd_store *meta; /* whose meta is taken over; NULL: nobody's */
    int dtype;              /* the run's from now on; 0: as in that meta */
    char id[17];            /* of base.mdb */
};

struct step {
    struct job *job;
    struct job after; /* the job's state once the step is committed */
    int begins, ends;
};

static int check_order(struct ptd_store *s, MDB_txn *txn, int64_t generation)
{
    int64_t head;
    int rc = ptd_store_get_head(s, txn, &head);
    if (rc || (head < 0 ? !generation : generation > head)) return rc;
    ptd_fail(PTD_DATAERR,
             "store %s: generation %" PRId64 " cannot be published now, expected %" PRId64 "%s",
             s->dir, generation, head + 1, head < 0 ? "" : " or a later one");
    return KEPT;
}

static int put_run(struct ptd_store *s, MDB_txn *txn, const char *run)
{
    MDB_val k = ptd_store_key("run");
    if (run) return ptd_store_put_plain(s, txn, DB_STATE, "run", run, strlen(run));
    int rc = mdb_del(txn, s->db[DB_STATE], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int is_done(const struct job *j)
{
    return j->run == j->n_runs;
}

/* Writes pieces until `most` bytes are reached; j moves on. */
static int put_pieces(struct ptd_store *s, MDB_txn *txn, struct job *j, size_t most)
{
    struct ptd_waiting waiting = {.n = 0};
    size_t bytes = 0, n;
    while (!is_done(j) && bytes < most) {
        const struct ptd_writing *w = &j->runs[j->run];
        if (j->tensor == w->f.n) {
            j->tensor = 0;
            j->run++;
            continue;
        }
        int rc = ptd_store_put_piece(s, txn, w, j->tensor, j->first, &n, &waiting);
        if (rc) return rc;
        bytes += n * ptd_dtype_size(w->f.tensors[j->tensor].dtype);
        j->first += n;
        if (j->first == w->f.tensors[j->tensor].n) j->tensor++, j->first = 0;
    }
    ptd_store_fill_waiting(&waiting);
    return 0;
}

static int copy_meta(struct ptd_store *to, MDB_txn *txn, struct ptd_store *from)
{
    MDB_cursor *c;
    MDB_val k, v;
    char key[KEY_MAX + 1];
    int rc = mdb_cursor_open(from->view, from->db[DB_META], &c);
    if (rc) return rc;
    while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        snprintf(key, sizeof key, "%.*s", (int)k.mv_size, (char *)k.mv_data);
        if (!strcmp(key, PTD_FORMAT_KEY)) continue;
        if ((rc = ptd_store_get_plain(from, from->view, DB_META, key, &v))) break;
        if ((rc = ptd_store_put_plain(to, txn, DB_META, key, v.mv_data, v.mv_size))) break;
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The moments of other generations go with the head's move. */
static int drop_moments(struct ptd_store *s, MDB_txn *txn, int64_t generation)
{
    char prefix[PTD_PREFIX];
    int rc = 0;
    static const char *const kinds[] = {"m/", "v/", "l/"};
    for (int i = 0; i < 3 && !rc; i++) {
        ptd_store_prefix(prefix, kinds[i], generation);
        rc = ptd_store_delete_prefix(s, txn, DB_OPTIM, kinds[i], prefix);
    }
    return rc;
}

/* All but those of the generation and of the head before it. */
static int drop_older_moments(struct ptd_store *s, MDB_txn *txn, int64_t generation, int64_t head)
{
    static const char *const kinds[] = {"m/", "v/", "l/"};
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++) {
        int64_t *list;
        int n;
        rc = ptd_store_list_generations(s, txn, DB_OPTIM, kinds[i], &list, &n);
        for (int k = 0; k < n && !rc; k++) {
            char prefix[PTD_PREFIX];
            if (list[k] == generation || list[k] == head) continue;
            ptd_store_prefix(prefix, kinds[i], list[k]);
            rc = ptd_store_delete_prefix(s, txn, DB_OPTIM, prefix, NULL);
        }
        free(list);
    }
    return rc;
}

/* Whether moments of the head are where a way back would look for them: not in stores of earlier
 * programs. */
static int has_way_back(struct ptd_store *s, MDB_txn *txn, int64_t head)
{
    char prefix[PTD_PREFIX];
    ptd_store_prefix(prefix, "m/", head);
    return !head || !ptd_store_has_prefix(s, txn, DB_OPTIM, prefix);
}

static const char *back_key(char key[PTD_PREFIX + 8], int64_t generation)
{
    ptd_store_prefix(key, BACK, generation);
    return strcat(key, "json");
}

/* The head's counters under a name of their own, "null" if it has none; -1: nothing is kept. */
static int keep_run(struct ptd_store *s, MDB_txn *txn, int64_t head)
{
    MDB_val v;
    char key[PTD_PREFIX + 8];
    int rc = ptd_store_delete_prefix(s, txn, DB_STATE, BACK, NULL);
    if (rc || head < 0) return rc;
    rc = ptd_store_get_plain(s, txn, DB_STATE, "run", &v);
    if (rc && (rc != MDB_NOTFOUND || head)) return rc == MDB_NOTFOUND ? 0 : rc;
    char *text =
        rc ? ptd_strdup("null") : ptd_format("%.*s", (int)v.mv_size, (const char *)v.mv_data);
    rc = ptd_store_put_plain(s, txn, DB_STATE, back_key(key, head), text, strlen(text));
    free(text);
    return rc;
}

/* What the head has beside its weights goes, or stays as the way back. */
static int leave_head(struct ptd_store *s, MDB_txn *txn, const struct job *j)
{
    int64_t head = -1;
    int rc = ptd_store_get_head(s, txn, &head);
    if (rc) return rc;
    if (!j->can_go_back || head < 0 || !has_way_back(s, txn, head)) {
        rc = keep_run(s, txn, -1);
        return rc ? rc : drop_moments(s, txn, j->generation);
    }
    rc = keep_run(s, txn, head);
    return rc ? rc : drop_older_moments(s, txn, j->generation, head);
}

static int finish(struct ptd_store *s, MDB_txn *txn, const struct job *j)
{
    json_t *pins = NULL;
    int rc = j->meta ? copy_meta(s, txn, j->meta) : 0;
    if (!rc && j->dtype) rc = ptd_store_put_dtype(s, txn, j->dtype);
    if (!rc) rc = leave_head(s, txn, j);
    if (!rc) rc = put_run(s, txn, j->text);
    for (int64_t g = j->earliest; g <= j->generation && !rc; g++)
        rc = ptd_store_mark_partial(s, txn, g, j->partial);
    if (!rc) rc = ptd_store_put_head(s, txn, j->generation);
    if (!rc) rc = ptd_store_update_pins(s, txn, j->generation, j->pin || j->generation == 0, &pins);
    if (!rc) rc = ptd_store_drop_old(s, txn, pins, j->keep < 1 ? 1 : j->keep);
    json_decref(pins);
    return rc;
}

static int take_step(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    struct step *step = (struct step *)(uintptr_t)arg;
    step->after = *step->job;
    int rc = check_order(s, txn, step->job->earliest);
    if (!rc && step->begins) rc = ptd_store_sweep(s, txn);
    if (!rc)
        rc = put_pieces(s, txn, &step->after,
                        step->begins && step->ends ? SIZE_MAX : ptd_store_batch);
    if (!rc && step->ends) rc = finish(s, txn, step->job);
    return rc;
}

static int remove_leftovers(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    (void)arg;
    return ptd_store_sweep(s, txn);
}

/* After a failure in the middle; if this fails too, the next publication sweeps. The first failure
 * is kept. */
static int give_up(struct ptd_store *s)
{
    int status = ptd_failed_status();
    char *message = ptd_strdup(ptd_failed_message());
    int ignored = ptd_store_change(s, remove_leftovers, NULL, "cleaning up");
    (void)ignored;
    ptd_fail(status, "%s", message);
    free(message);
    return -1;
}

static int run_job(struct ptd_store *s, struct job *j)
{
    char doing[64];
    size_t bytes = 0, room = 0;
    snprintf(doing, sizeof doing, "publishing generation %" PRId64, j->generation);
    for (int i = 0; i < j->n_runs; i++) {
        bytes += ptd_store_bytes(j->runs[i].f.tensors, j->runs[i].f.n);
        room += ptd_store_room(j->runs[i].f.tensors, j->runs[i].f.n);
    }
    struct step step = {.job = j, .begins = 1, .ends = bytes <= ptd_store_batch};
    ptd_store_cache_leave(s, room);
    while (!step.ends) {
        if (ptd_store_change(s, take_step, &step, doing) < 0) return step.begins ? -1 : give_up(s);
        *j = step.after;
        step.begins = 0;
        step.ends = is_done(j);
    }
    if (ptd_store_change(s, take_step, &step, doing) == 0) return 0;
    return step.begins ? -1 : give_up(s);
}

static int check_tensors(struct ptd_store *s, const struct ptd_tensor_about *t, int n)
{
    for (int i = 0; i < n; i++) {
        size_t size = 1;
        for (int j = 0; j < t[i].n_dims; j++) size *= t[i].dims[j];
        if (t[i].n_dims < 1 || t[i].n_dims > 5 || size != t[i].n || !size || !*t[i].name ||
            strlen(t[i].name) > 400 || strchr(t[i].name, '#') || !ptd_dtype_size(t[i].dtype))
            return ptd_fail(PTD_BUG, "store %s: tensor \"%s\" has an impossible shape or name",
                            s->dir, t[i].name);
    }
    return 0;
}

static struct ptd_tensor_about *about_views(const struct ptd_tensor_view *t, int n)
{
    struct ptd_tensor_about *a = ptd_array(n, sizeof *a);
    for (int i = 0; i < n; i++) {
        int dtype = t[i].dtype ? t[i].dtype : PTD_F32;
        a[i] = (struct ptd_tensor_about){t[i].name, dtype, t[i].n_dims, {0}, t[i].n};
        memcpy(a[i].dims, t[i].dims, sizeof a[i].dims);
    }
    return a;
}

static struct ptd_writing *add_run(struct job *j, int db, const char *kind, int64_t generation)
{
    struct ptd_writing *w = &j->runs[j->n_runs++];
    w->db = db;
    ptd_store_prefix(w->prefix, kind, generation);
    return w;
}

static int check_publication(struct ptd_store *s, const struct ptd_publication *p)
{
    if (!(s->mode & (PTD_STORE_TRAIN | PTD_STORE_CREATE)))
        return ptd_fail(PTD_BUG, "store %s: not opened for training: cannot publish", s->dir);
    if (p->generation < !!p->before || p->generation > UINT32_MAX)
        return ptd_fail(PTD_BUG, "store %s: generation %" PRId64 " is out of range", s->dir,
                        p->generation);
    return 0;
}

int ptd_store_publish(struct ptd_store *s, const struct ptd_publication *p)
{
    int n_moments = p->n_moments ? p->n_moments : p->n;
    const struct {
        const struct ptd_tensor_view *views;
        int n, db;
        const char *kind;
        int64_t generation;
    } all[] = {{p->before, p->n, DB_WEIGHTS, "", p->generation - 1},
               {p->weights, p->n, DB_WEIGHTS, "", p->generation},
               {p->m, n_moments, DB_OPTIM, "m/", p->generation},
               {p->v, n_moments, DB_OPTIM, "v/", p->generation},
               {p->low, p->n_low, DB_OPTIM, "l/", p->generation}};
    struct job j = {.generation = p->generation,
                    .earliest = p->generation - !!p->before,
                    .text = p->run,
                    .keep = p->keep,
                    .pin = p->pin,
                    .can_go_back = p->can_go_back,
                    .partial = p->partial ? p->n : 0};
    int rc = check_publication(s, p);
    for (int i = 0; i < 5 && !rc; i++) {
        if (!all[i].views) continue;
        struct ptd_writing *w = add_run(&j, all[i].db, all[i].kind, all[i].generation);
        w->f = (struct ptd_filling){.tensors = about_views(all[i].views, all[i].n), .n = all[i].n};
        w->views = all[i].views;
        rc = check_tensors(s, w->f.tensors, all[i].n);
    }
    if (rc == 0) rc = run_job(s, &j);
    for (int i = 0; i < j.n_runs; i++) free((void *)(uintptr_t)j.runs[i].f.tensors);
    return rc;
}

/* ---- the way back ---- */

/* The only key that begins with BACK: of which generation; -1: there is none. An LMDB code. */
static int find_back(struct ptd_store *s, MDB_txn *txn, int64_t *generation)
{
    int64_t *list;
    int n, rc = ptd_store_list_generations(s, txn, DB_STATE, BACK, &list, &n);
    *generation = rc || !n ? -1 : list[n - 1];
    free(list);
    return rc;
}

int ptd_store_back(struct ptd_store *s, int64_t *generation)
{
    if (ptd_store_view(s) < 0) return -1;
    int rc = find_back(s, s->view, generation);
    ptd_store_view_end(s);
    return rc ? ptd_store_fail(s, rc, "reading its state") : 0;
}

/* Of generations after g that the store holds in part nothing is marked any more. */
static int unmark(struct ptd_store *s, MDB_txn *txn, int64_t g)
{
    int64_t *list;
    int n, rc = ptd_store_list_generations(s, txn, DB_WEIGHTS, "", &list, &n);
    for (int i = 0; i < n && !rc; i++)
        if (list[i] > g) rc = ptd_store_mark_partial(s, txn, list[i], 0);
    free(list);
    return rc;
}

static int take_back(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    int64_t g;
    MDB_val v;
    char key[PTD_PREFIX + 8], *text = NULL;
    (void)arg;
    int rc = find_back(s, txn, &g);
    if (!rc && g < 0) return MDB_NOTFOUND;
    if (!rc) rc = ptd_store_get_plain(s, txn, DB_STATE, back_key(key, g), &v);
    if (!rc) text = ptd_format("%.*s", (int)v.mv_size, (const char *)v.mv_data);
    if (!rc) rc = put_run(s, txn, strcmp(text, "null") ? text : NULL);
    if (!rc) rc = keep_run(s, txn, -1);
    if (!rc) rc = unmark(s, txn, g);
    if (!rc) rc = ptd_store_put_head(s, txn, g);
    if (!rc) rc = ptd_store_sweep(s, txn);
    free(text);
    return rc;
}

int ptd_store_go_back(struct ptd_store *s)
{
    if (!(s->mode & PTD_STORE_TRAIN))
        return ptd_fail(PTD_BUG, "store %s: not opened for training: cannot go back", s->dir);
    return ptd_store_change(s, take_back, NULL, "going back to the generation before");
}

/* ---- the frozen generation ---- */

static int take_base_step(struct ptd_store *base, MDB_txn *txn, const void *arg)
{
    struct step *step = (struct step *)(uintptr_t)arg;
    step->after = *step->job;
    return put_pieces(base, txn, &step->after, ptd_store_batch);
}

/* After all of base.mdb is on the disk. */
static int take_frozen(struct ptd_store *s, MDB_txn *txn, const void *arg)
{
    const struct job *j = arg;
    MDB_val format = {strlen(PTD_FORMAT_FROZEN), PTD_FORMAT_FROZEN};
    int rc = check_order(s, txn, 0);
    if (!rc) rc = ptd_store_put(s, txn, DB_META, PTD_FORMAT_KEY, &format, 0);
    if (!rc) rc = ptd_store_put_plain(s, txn, DB_STATE, "base", j->id, strlen(j->id));
    return rc ? rc : finish(s, txn, j);
}

static int write_base(struct ptd_store *s, struct job *j)
{
    struct step step = {.job = j};
    while (!is_done(j)) {
        if (ptd_store_change(s->base, take_base_step, &step, "publishing generation 0") < 0)
            return -1;
        *j = step.after;
    }
    return ptd_store_seal_base(s, j->id);
}

static int check_new(struct ptd_store *s)
{
    if (ptd_store_view(s) < 0) return -1;
    int rc = check_order(s, s->view, 0);
    ptd_store_view_end(s);
    return rc ? ptd_store_fail(s, rc, "reading its head") : 0;
}

/* What is made of base.mdb before a failure goes with it. */
int ptd_store_freeze(struct ptd_store *s, const struct ptd_filling *f, struct ptd_store *meta,
                     int dtype)
{
    struct job j = {.keep = 1, .pin = 1, .meta = meta, .dtype = dtype};
    struct ptd_writing *w = add_run(&j, DB_WEIGHTS, "", 0);
    w->f = *f;
    w->rows = 1;
    if (check_new(s) < 0 || ptd_store_make_base(s, ptd_store_room(f->tensors, f->n)) < 0) return -1;
    int rc = write_base(s, &j);
    if (rc == 0) rc = ptd_store_change(s, take_frozen, &j, "publishing generation 0");
    if (rc < 0) ptd_store_drop_base(s);
    return rc;
}

int ptd_store_fill(struct ptd_store *s, const struct ptd_filling *f)
{
    if (!(s->mode & PTD_STORE_CREATE))
        return ptd_fail(PTD_BUG, "store %s: not a new store", s->dir);
    if (check_tensors(s, f->tensors, f->n) < 0) return -1;
    return ptd_store_freeze(s, f, NULL, 0);
}
