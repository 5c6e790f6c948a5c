/* attention_lists: the host's lists behind a struct attention, from the spans of a batch. Spans of
 * no rows are nobody's. */
#ifndef PTD_CUDA_ATTENTION_LISTS_H
#define PTD_CUDA_ATTENTION_LISTS_H
#include "compute/cuda/attention.h"
#include "compute/cuda/ptd.h"
#include <vector>

struct attention_lists {
    std::vector<attention_part> parts;
    std::vector<attention_tile> tiles;
    std::vector<attention_piece> pieces; /* the longest first: blocks start in this order */
    std::vector<attention_join> joins;
    std::vector<attention_key_tile> key_tiles; /* likewise */
    std::vector<attention_view> views;
    int slots = 0, most_pairs = 0;
    long rows = 0;
};
/* Tiles of at most `most` pairs. */
void attention_lists_forward(struct attention_lists *l, const struct ptd_attention *a, int most);
/* Tiles, and tiles of keys. -1: keys of two spans overlap, and are not the same from the first
 * on. */
int attention_lists_backward(struct attention_lists *l, const struct ptd_attention *a);
#endif
