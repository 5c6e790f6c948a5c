/* ranks: see ranks.h. */
#include "method/ranks.h"
#include "base/launched.h"
#include "compute/fingerprint.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ptd_ranks_open(struct ptd_ranks *r)
{
    if (strcmp(r->which, "auto") && strcmp(r->which, "one"))
        ptd_misuse("--ranks \"%s\": expected auto or one", r->which);
    if (strcmp(r->reduce, "f32") && strcmp(r->reduce, "bf16"))
        ptd_misuse("--reduce \"%s\": expected f32 or bf16", r->reduce);
    r->form = strcmp(r->reduce, "f32") ? PTD_COMM_BF16 : PTD_COMM_F32;
    if (ptd_rank_read(r->which, &r->launched)) return -1;
    if (r->launched.ranks == 1) return 0;
    if (!(r->comm = ptd_comm_open(&r->launched, r->patience))) return -1;
    return 0;
}

int ptd_ranks_on_cards(const struct ptd_ranks *r, const struct ptd_device *d)
{
    int asked = !strcmp(r->sum_on, "nccl"), whole = r->form == PTD_COMM_F32 && !r->share;
    if (!asked && strcmp(r->sum_on, "auto") && strcmp(r->sum_on, "host"))
        ptd_misuse("--sum-on \"%s\": expected auto, host or nccl", r->sum_on);
    if (asked && !whole)
        ptd_misuse(
            "--sum-on nccl: without --reduce bf16 and --shard-optimizer, which the host does");
    if (asked && d->is_host) ptd_misuse("--sum-on nccl: expected a card (--device cuda)");
    if (asked || strcmp(r->sum_on, "auto") || strncmp(d->name, "cuda", 4)) return asked;
    return whole && ptd_cards_are_there();
}

void ptd_ranks_listen(struct ptd_ranks *r, const struct ptd_head *h)
{
    r->exchange = ptd_exchange_begin(h, r->comm);
}

int ptd_ranks_close(struct ptd_ranks *r)
{
    struct ptd_comm *c = r->comm;
    ptd_exchange_end(r->exchange);
    r->exchange = NULL;
    r->comm = NULL;
    return ptd_comm_close(c);
}

void ptd_ranks_end(struct ptd_ranks *r, int says)
{
    int status = ptd_failed_status();
    char *words = ptd_strdup(ptd_failed_message());
    if (ptd_ranks_close(r)) ptd_die_last();
    if (!says) ptd_leave(status);
    ptd_die(status, "%s", words);
}

/* The rank that all know to be at fault speaks, the others leave. */
static _Noreturn void end_by(struct ptd_ranks *r, int rank)
{
    ptd_ranks_end(r, ptd_comm_rank(r->comm) == rank);
}

/* ---- one generation ---- */

struct heads {
    int64_t head, back; /* back: what it can go back to, -1: nothing */
};

static int read_heads(struct ptd_store *s, struct heads *h)
{
    return ptd_store_head(s, &h->head) || ptd_store_back(s, &h->back) ? -1 : 0;
}

static int has(const struct heads *h, int64_t generation)
{
    return h->head == generation || h->back == generation;
}

/* The first rank that does not have it; -1: all do. */
static int first_without(const struct heads *all, int ranks, int64_t generation)
{
    for (int i = 0; i < ranks; i++)
        if (!has(&all[i], generation)) return i;
    return -1;
}

/* Where they go on: the newest that every one has. */
static int64_t newest_common(const struct heads *all, int ranks, int *without)
{
    int64_t least = all[0].head;
    for (int i = 1; i < ranks; i++)
        if (all[i].head < least) least = all[i].head;
    *without = first_without(all, ranks, least);
    return least;
}

static int go_back(struct ptd_ranks *r, struct ptd_store *s, const struct heads *mine)
{
    int ranks = ptd_comm_ranks(r->comm), without;
    struct heads *all = ptd_array((size_t)ranks, sizeof *all);
    if (ptd_comm_gather(r->comm, mine, sizeof *mine, all)) return -1;
    int64_t generation = newest_common(all, ranks, &without);
    if (without >= 0) {
        ptd_fail(PTD_CONFIG,
                 "%s: has generation %lld and cannot go back to %lld, the newest of another rank: "
                 "expected stores of one run; ptd-dump --copy copies one",
                 ptd_store_path(s), (long long)all[without].head, (long long)generation);
        end_by(r, without);
    }
    free(all);
    if (mine->head == generation) return 0;
    if (ptd_store_go_back(s)) return -1;
    ptd_tell("back from generation %lld to %lld, the newest that all ranks have",
             (long long)mine->head, (long long)generation);
    return 0;
}

int ptd_ranks_agree(struct ptd_ranks *r, const char *store)
{
    struct ptd_store *s;
    struct heads mine;
    if (!r->comm || !store) return 0;
    if (ptd_store_open(&s, store, PTD_STORE_TRAIN) || read_heads(s, &mine)) return -1;
    if (go_back(r, s, &mine)) return -1;
    ptd_store_close(s);
    return 0;
}

/* ---- the same everywhere ---- */

struct identity {
    char version[40], start[24], newest[24];
    int64_t generation, settings; /* bytes of the JSON */
};

static char *shown(const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    return text ? text : ptd_strdup("nothing");
}

/* The first thing in which two settings differ, in words; NULL: nothing. */
static char *difference(const char *program, json_t *one, json_t *other);

static char *difference_in(const char *key, json_t *a, json_t *b, const char *program)
{
    if (json_is_object(a) && json_is_object(b)) return difference(key, a, b);
    if (json_equal(a, b)) return NULL;
    char *is = shown(a), *was = shown(b);
    char *words = ptd_format("%s%s%s is %.160s, and %.160s on rank 0", program,
                             *program ? ": " : "", key, is, was);
    free(is);
    free(was);
    return words;
}

static char *difference(const char *program, json_t *one, json_t *other)
{
    const char *key;
    json_t *value;
    char *words = NULL;
    json_object_foreach (one, key, value)
        if (!words) words = difference_in(key, value, json_object_get(other, key), program);
    json_object_foreach (other, key, value)
        if (!words && !json_object_get(one, key)) words = difference_in(key, NULL, value, program);
    return words;
}

static char *settings_differ(const char *one, const char *other)
{
    json_t *a = json_loads(one, 0, NULL), *b = json_loads(other, 0, NULL);
    char *words = difference("", a, b);
    json_decref(a);
    json_decref(b);
    return words;
}

static char *identities_differ(const struct identity *a, const struct identity *b)
{
    if (strcmp(a->version, b->version))
        return ptd_format("is version %.39s, and rank 0 version %.39s", a->version, b->version);
    if (strcmp(a->start, b->start))
        return ptd_format("its store started from other weights (%.23s) than that of rank 0 "
                          "(%.23s)",
                          a->start, b->start);
    if (a->generation != b->generation)
        return ptd_format("its store is at generation %lld, and that of rank 0 at %lld; ptd-run "
                          "has them agree",
                          (long long)a->generation, (long long)b->generation);
    if (strcmp(a->newest, b->newest))
        return ptd_format("its store has another generation %lld (%.23s) than that of rank 0 "
                          "(%.23s)",
                          (long long)a->generation, a->newest, b->newest);
    return NULL;
}

static int identify(const struct ptd_ranks_own *own, struct identity *mine)
{
    *mine = (struct identity){.generation = own->generation};
    snprintf(mine->version, sizeof mine->version, "%s, arithmetic %d", PTD_VERSION, PTD_ARITHMETIC);
    return ptd_store_identity(own->store, 0, mine->start) ||
                   ptd_store_identity(own->store, own->generation, mine->newest)
               ? -1
               : 0;
}

static void judge(struct ptd_ranks *r, int rank, char *words)
{
    if (!words) return;
    ptd_fail(PTD_CONFIG, "%s: all ranks must be the same", words);
    free(words);
    end_by(r, rank);
}

static int compare_texts(struct ptd_ranks *r, const char *mine)
{
    int ranks = ptd_comm_ranks(r->comm);
    size_t *bytes = ptd_array((size_t)ranks, sizeof *bytes);
    void *texts;
    if (ptd_comm_gather_all(r->comm, mine, strlen(mine) + 1, &texts, bytes)) return -1;
    const char *at = texts;
    for (int i = 0; i < ranks; at += bytes[i++])
        if (i) judge(r, i, settings_differ(at, texts));
    free(texts);
    free(bytes);
    return 0;
}

/* What all brought is compared by all, in one order, so they come to one verdict. */
int ptd_ranks_compare(struct ptd_ranks *r, const struct ptd_ranks_own *own)
{
    int ranks = ptd_comm_ranks(r->comm);
    struct identity mine, *all = ptd_array((size_t)ranks, sizeof *all);
    if (!r->comm) return free(all), 0;
    if (identify(own, &mine) || ptd_comm_gather(r->comm, &mine, sizeof mine, all)) return -1;
    for (int i = 1; i < ranks; i++) judge(r, i, identities_differ(&all[i], &all[0]));
    free(all);
    return compare_texts(r, own->settings) || compare_texts(r, own->manner) ? -1 : 0;
}
