/* attention_lists: see attention_lists.h. */
#include "compute/cuda/attention_lists.h"
#include <algorithm>
#include <map>

/* ---- forward ---- */

static bool joins(const struct ptd_span &a, const struct ptd_span &b)
{
    return a.n_shared && a.shared == b.shared && a.n_shared == b.n_shared && a.row + a.n == b.row;
}

/* The part of its own keys that rows of a span see, up to row `last`. */
static struct attention_part own_part(const struct ptd_attention *a, const struct ptd_span &s,
                                      long last)
{
    int seen = s.past + (a->causal ? 1 : s.n), more = a->causal ? (int)(last - s.row) : 0;
    return {s.own, s.row, s.n, seen + more, seen, a->causal ? 1 : 0};
}

static int key_tiles_of(int n)
{
    return (n + KEYS - 1) / KEYS;
}

/* Parts for rows first .. last of a run of spans; the tiles of their walk. */
static int add_parts(struct attention_lists *l, const struct ptd_attention *a,
                     const struct ptd_span *run, int n, long first, long last)
{
    int tiles = key_tiles_of(run->n_shared);
    if (run->n_shared)
        l->parts.push_back(
            {run->shared, first, (int)(last - first) + 1, run->n_shared, run->n_shared, 0});
    for (int i = 0; i < n; i++) {
        if (!run[i].n || run[i].row > last || run[i].row + run[i].n <= first) continue;
        l->parts.push_back(own_part(a, run[i], std::min(last, run[i].row + run[i].n - 1)));
        tiles += key_tiles_of(l->parts.back().n);
    }
    return tiles;
}

/* Cuts a walk where it may be. */
static void add_pieces(struct attention_lists *l, int walk)
{
    const struct attention_tile &t = l->tiles.back();
    int tile = (int)l->tiles.size() - 1, first = key_tiles_of(l->parts[(size_t)t.part].n),
        n = (first + PIECE - 1) / PIECE;
    if (n > 1) l->joins.push_back({tile, l->slots, n});
    for (int i = 0; i < n; i++)
        l->pieces.push_back(
            {tile, i * PIECE, i + 1 < n ? (i + 1) * PIECE : walk, n > 1 ? l->slots++ : -1});
}

static void add_tiles(struct attention_lists *l, const struct ptd_attention *a,
                      const struct ptd_span *run, int n, int most)
{
    int group = a->heads / a->kv_heads;
    long rows = run[n - 1].row + run[n - 1].n - run->row, pairs = rows * group;
    for (long at = 0; at < pairs; at += most) {
        int here = (int)std::min<long>(most, pairs - at), part = (int)l->parts.size();
        long first = run->row + at / group, last = run->row + (at + here - 1) / group;
        int walk = add_parts(l, a, run, n, first, last);
        l->tiles.push_back({first, (int)(at % group), here, part, (int)l->parts.size() - part});
        l->most_pairs = std::max(l->most_pairs, here);
        add_pieces(l, walk);
    }
    l->rows = std::max(l->rows, run->row + rows);
}

void attention_lists_forward(struct attention_lists *l, const struct ptd_attention *a, int most)
{
    for (int i = 0, n; i < a->n_spans; i += n) {
        for (n = 1; i + n < a->n_spans && joins(a->spans[i + n - 1], a->spans[i + n]);) n++;
        add_tiles(l, a, a->spans + i, n, most);
    }
    std::stable_sort(l->pieces.begin(), l->pieces.end(),
                     [](const attention_piece &x, const attention_piece &y) {
                         return x.to - x.from > y.to - y.from;
                     });
}

/* ---- backward ---- */

struct range { /* keys from one row of the pool on, and who sees them */
    int n = 0;
    std::vector<attention_view> views;
};

static void add_view(struct range *r, int n, struct attention_view v)
{
    r->n = std::max(r->n, n);
    if (!v.rows) return;
    if (!r->views.empty()) {
        attention_view &last = r->views.back();
        if (!v.step && !last.step && v.sees == last.sees && last.row + last.rows == v.row) {
            last.rows += v.rows;
            return;
        }
    }
    r->views.push_back(v);
}

/* What is left of a view for keys from number `first` on. */
static struct attention_view view_from(struct attention_view v, int first)
{
    int blind = v.step ? std::max(0, first + 1 - v.sees) : v.sees > first ? 0 : v.rows;
    if (blind > v.rows) blind = v.rows;
    return {v.row + blind, v.rows - blind, v.sees + blind * v.step - first, v.step};
}

static void add_key_tiles(struct attention_lists *l, long row, const struct range &r)
{
    for (int first = 0; first < r.n; first += KEYS) {
        int at = (int)l->views.size();
        for (const attention_view &v : r.views) {
            struct attention_view rest = view_from(v, first);
            if (rest.rows) l->views.push_back(rest);
        }
        l->key_tiles.push_back(
            {row + first, std::min(KEYS + 0, r.n - first), at, (int)l->views.size() - at});
    }
}

static long rows_seeing(const struct attention_lists *l, const struct attention_key_tile &t)
{
    long sum = 0;
    for (int i = 0; i < t.views; i++) sum += l->views[(size_t)(t.view + i)].rows;
    return sum;
}

int attention_lists_backward(struct attention_lists *l, const struct ptd_attention *a)
{
    std::map<long, range> ranges;
    long end = -1;
    attention_lists_forward(l, a, BACK_PAIRS);
    for (int i = 0; i < a->n_spans; i++) {
        const struct ptd_span &s = a->spans[i];
        int seen = s.past + (a->causal ? 1 : s.n);
        if (!s.n) continue;
        add_view(&ranges[s.own], s.past + s.n, {s.row, s.n, seen, a->causal ? 1 : 0});
        if (s.n_shared) add_view(&ranges[s.shared], s.n_shared, {s.row, s.n, s.n_shared, 0});
    }
    for (const auto &r : ranges) {
        if (r.first < end) return -1;
        end = r.first + r.second.n;
        add_key_tiles(l, r.first, r.second);
    }
    std::stable_sort(l->key_tiles.begin(), l->key_tiles.end(),
                     [&](const attention_key_tile &x, const attention_key_tile &y) {
                         return rows_seeing(l, x) > rows_seeing(l, y);
                     });
    return 0;
}
