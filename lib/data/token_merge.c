/* token_merge: the tables of tokens by bytes and merges by pair, and merging a piece's bytes by
 * rank with them. Filling the tables is token_file.c's, cutting a text into pieces token.c's. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "data/token_impl.h"

#define SHORT_PIECE 48 /* bytes up to which looking at all pairs again is quicker than a heap */
#define NO_RANK     INT32_MAX
#define NONE        UINT32_MAX

enum { UNKNOWN = 0, WHOLE, NOT_WHOLE }; /* of ptd_tokenizer.whole */

struct ptd_symbol {
    int32_t id, rank, merged; /* rank and result of its merge with the next one */
    uint32_t prev, next;
};

/* ---- tables ---- */

int32_t *ptd_token_slot(const struct ptd_tokenizer *t, const void *bytes, size_t len)
{
    size_t i = XXH3_64bits(bytes, len) & t->slot_mask;
    for (; t->slots[i] >= 0; i = (i + 1) & t->slot_mask) {
        const struct ptd_token *k = &t->tokens[t->slots[i]];
        if (k->len == len && !memcmp(t->text + k->at, bytes, len)) break;
    }
    return &t->slots[i];
}

struct ptd_merge *ptd_token_merge_slot(const struct ptd_tokenizer *t, int32_t left, int32_t right)
{
    uint64_t k = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15ull;
    size_t i = k >> 32 & t->merge_mask;
    while (t->merges[i].rank != NO_RANK &&
           (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & t->merge_mask;
    return &t->merges[i];
}

void ptd_token_merges_init(struct ptd_tokenizer *t, size_t n)
{
    size_t cap = 64;
    while (cap < 2 * n) cap *= 2;
    t->merge_mask = cap - 1;
    t->merges = ptd_array(cap, sizeof *t->merges);
    for (size_t i = 0; i < cap; i++) t->merges[i].rank = NO_RANK;
}

/* ---- the heap of merges: rank << 32 | place, each with four children ---- */

static void sift_down(uint64_t *heap, size_t n, size_t i, uint64_t key)
{
    for (;;) {
        size_t child = 4 * i + 1, end = child + 4 < n ? child + 4 : n, least = child;
        if (child >= n) break;
        for (size_t k = child + 1; k < end; k++)
            if (heap[k] < heap[least]) least = k;
        if (heap[least] >= key) break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = key;
}

static void push(struct ptd_merging *m, uint64_t key)
{
    size_t i = m->n_heap++;
    for (; i > 0 && key < m->heap[(i - 1) / 4]; i = (i - 1) / 4) m->heap[i] = m->heap[(i - 1) / 4];
    m->heap[i] = key;
}

static uint64_t pop(struct ptd_merging *m)
{
    uint64_t top = m->heap[0], last = m->heap[--m->n_heap];
    if (m->n_heap) sift_down(m->heap, m->n_heap, 0, last);
    return top;
}

/* ---- long pieces ---- */

/* Looks up the merge of symbol `at` with the next one; 0 if there is none. */
static int look_up(struct ptd_merging *m, uint32_t at)
{
    struct ptd_symbol *s = &m->symbols[at];
    s->rank = NO_RANK;
    if (s->next == NONE) return 0;
    const struct ptd_merge *merge = ptd_token_merge_slot(m->t, s->id, m->symbols[s->next].id);
    s->rank = merge->rank;
    s->merged = merge->id;
    return merge->rank != NO_RANK;
}

static void note(struct ptd_merging *m, uint32_t at)
{
    if (look_up(m, at)) push(m, (uint64_t)m->symbols[at].rank << 32 | at);
}

static void join(struct ptd_merging *m, uint32_t at)
{
    struct ptd_symbol *s = &m->symbols[at], *gone = &m->symbols[s->next];
    s->id = s->merged;
    s->next = gone->next;
    gone->rank = NO_RANK;
    if (s->next != NONE) m->symbols[s->next].prev = at;
    if (s->prev != NONE) note(m, s->prev);
    note(m, at);
}

/* Room for a piece of n bytes: it notes less than n merges at first and two more for each one done,
 * which leaves the heap itself. */
static void reserve(struct ptd_merging *m, size_t n)
{
    if (n <= m->cap) return;
    m->cap = n + n / 2 + 64;
    free(m->symbols);
    free(m->heap);
    m->symbols = ptd_array(m->cap, sizeof *m->symbols);
    m->heap = ptd_array(2 * m->cap, sizeof *m->heap);
}

static size_t merge_long(struct ptd_merging *m, const unsigned char *s, size_t n, int32_t *out)
{
    reserve(m, n);
    for (uint32_t i = 0; i < n; i++)
        m->symbols[i] = (struct ptd_symbol){
            .id = m->t->byte_id[s[i]], .prev = i - 1, .next = i + 1 < n ? i + 1 : NONE};
    m->n_heap = 0;
    for (uint32_t i = 0; i < n; i++)
        if (look_up(m, i)) m->heap[m->n_heap++] = (uint64_t)m->symbols[i].rank << 32 | i;
    for (size_t i = m->n_heap / 4 + 1; i-- > 0 && m->n_heap;)
        sift_down(m->heap, m->n_heap, i, m->heap[i]);
    while (m->n_heap) {
        uint64_t key = pop(m);
        /* else out of date */
        if ((uint64_t)m->symbols[(uint32_t)key].rank == key >> 32) join(m, key);
    }
    size_t k = 0;
    for (uint32_t i = 0; i != NONE; i = m->symbols[i].next) out[k++] = m->symbols[i].id;
    return k;
}

/* ---- short pieces ---- */

static size_t merge_short(const struct ptd_tokenizer *t, const unsigned char *s, size_t n,
                          int32_t *id)
{
    int32_t rank[SHORT_PIECE], merged[SHORT_PIECE]; /* of id[i] and id[i + 1] */
    for (size_t i = 0; i < n; i++) id[i] = t->byte_id[s[i]];
    for (size_t i = 0; i + 1 < n; i++) {
        const struct ptd_merge *m = ptd_token_merge_slot(t, id[i], id[i + 1]);
        rank[i] = m->rank, merged[i] = m->id;
    }
    while (n > 1) {
        size_t at = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[at]) at = i;
        if (rank[at] == NO_RANK) break;
        id[at] = merged[at];
        n--;
        memmove(id + at + 1, id + at + 2, (n - at - 1) * sizeof *id);
        memmove(rank + at, rank + at + 1, (n - at) * sizeof *rank);
        memmove(merged + at, merged + at + 1, (n - at) * sizeof *merged);
        for (size_t i = at ? at - 1 : 0; i <= at && i + 1 < n; i++) {
            const struct ptd_merge *m = ptd_token_merge_slot(t, id[i], id[i + 1]);
            rank[i] = m->rank, merged[i] = m->id;
        }
    }
    return n;
}

/* ---- pieces ---- */

size_t ptd_merging_piece(struct ptd_merging *m, const char *s, size_t n, int32_t *out)
{
    const struct ptd_tokenizer *t = m->t;
    const unsigned char *bytes = (const unsigned char *)s;
    if (n == 1) {
        out[0] = t->byte_id[bytes[0]];
        return 1;
    }
    int32_t id = *ptd_token_slot(t, s, n);
    if (id >= 0 && __atomic_load_n(&t->whole[id], __ATOMIC_RELAXED) == WHOLE) {
        out[0] = id;
        return 1;
    }
    size_t k = n <= SHORT_PIECE ? merge_short(t, bytes, n, out) : merge_long(m, bytes, n, out);
    if (id >= 0)
        __atomic_store_n(&t->whole[id], k == 1 && out[0] == id ? WHOLE : NOT_WHOLE,
                         __ATOMIC_RELAXED);
    return k;
}

void ptd_merging_clear(struct ptd_merging *m)
{
    free(m->symbols);
    free(m->heap);
}
