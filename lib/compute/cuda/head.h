/* head: what head.cu and draw.cu share on the host's side. */
#ifndef PTD_CUDA_HEAD_H
#define PTD_CUDA_HEAD_H
#include "compute/cuda/bundle.h"
#include "compute/cuda/driver.h"
#include <algorithm>

/* How rows are read, on the device: a word is banned once. */
struct row_rules {
    float scale;
    const int32_t *banned;
    int n_banned;
};
/* Not inlined: GCC 12 then takes what the vector frees for something else and warns. */
[[gnu::noinline]] static std::vector<int32_t> banned_once(const struct ptd_row_rules &r)
{
    std::vector<int32_t> b(r.banned, r.banned + r.n_banned);
    std::sort(b.begin(), b.end());
    b.erase(std::unique(b.begin(), b.end()), b.end());
    return b;
}

/* Rows that lie and end where 16 bytes do are read 4 words at a time. */
static inline bool rows_wide(const ptd_stat *z, int V)
{
    return V % 4 == 0 && reinterpret_cast<uintptr_t>(z) % 16 == 0;
}

static inline void *upload(struct ptd_device *d, struct bundle &b)
{
    if (b.bytes.empty()) b.room(1);
    return cuda_list(d, CUDA_LISTS, b.bytes.data(), b.bytes.size());
}
#endif
