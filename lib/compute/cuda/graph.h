/* graph: what is asked of a card between record and play, as one launch (a CUDA graph): a step of
 * decoding is some hundred kernels of a few microseconds each.
 *
 * Each time it is recorded anew, which costs the host about what asking does, and what was
 * instantiated for the same bucket is brought up to date: arguments, grids and sizes of copies may
 * differ, kinds and number of what is launched may not. A bucket is a power of two of rows, and a
 * number of nodes. The first time in a bucket nothing is recorded, so that memory for operations
 * has grown and algorithms are known.
 *
 * In a recording nothing may be allocated, freed or waited for, and the host's memory is read when
 * it runs. So lists go through pinned memory of the device's own, answers come back by it
 * (cuda_answers), and whoever has to wait or to allocate after all has what was recorded launched
 * first (cuda_graph_flush): the rest of it is asked as always. */
#ifndef PTD_CUDA_GRAPH_H
#define PTD_CUDA_GRAPH_H
#include "compute/cuda/bundle.h"
#include "compute/cuda/driver.h"
#include <functional>

/* As ops.h has them. */
extern "C" void cuda_record(struct ptd_device *d, long rows);
extern "C" void cuda_play(struct ptd_device *d);

/* Nothing is recorded any more: what was is launched, done, and its answers are given. */
void cuda_graph_flush(struct ptd_device *d);
/* A copy of the host's bytes that stays until what is recorded has run; NULL: nothing is recorded,
 * or no longer, and the bytes themselves will do. */
const void *cuda_graph_keep(struct ptd_device *d, const void *host, size_t bytes);
/* `out`, with the bytes at `from` in it, is given to `done`: now, or when what is recorded has run.
 */
void cuda_answers(struct ptd_device *d, const struct bundle &out, const void *from,
                  const std::function<void(const struct bundle &)> &done);
void cuda_graph_close(struct ptd_device *d);
#endif
