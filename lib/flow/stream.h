/* stream: frames on a pipe. Every frame is one msgpack array
 *
 *     [kind, sequence number, digest, body]
 *
 * of a fixed encoding, so that each size is known before memory is taken:
 *
 *     part             bytes   is
 *     array of 4       1       94
 *     kind             1       1 head, 2 group, 3 step, 4 end (fixint)
 *     sequence number  1 + 8   cf and a big-endian uint64, from 0 (the head)
 *     digest           1 + 8   cf and a big-endian uint64: XXH3-64 over kind and sequence number
 *                              (two little-endian uint64) and the body's bytes
 *     body             5 + n   c6, length (big-endian uint32), one msgpack map; at most 1 GiB
 *
 * A stream is one head, groups, a step after each batch of groups, one end. What head and group say
 * is record.h's. The body of a step is {"step", "count", "digest"}, of the end {"count", "steps",
 * "digest"}: count, the groups since the last step (in the end: all); digest, XXH3-64 over the
 * digests (little-endian uint64) of all frames before it, head included; the three in any order and
 * encoding that msgpack has for them. The reader checks all of them. A writer closed without
 * ptd_writer_end leaves no end frame, and a reader that misses it, or finds frames dropped, doubled
 * or swapped, fails with status 76 (65: a frame is damaged), so a stage downstream cannot make
 * damage pass for whole: ptd-update publishes a step only after its step frame fitted. Frames that
 * a stage does not touch pass as the same bytes.
 *
 *     struct ptd_reader *r = ptd_reader_open(0, "-");
 *     struct ptd_frame f;
 *     while ((got = ptd_reader_next(r, &f)) > 0) ...      // 0: after a verified end; -1: see err.h
 */
#ifndef PTD_STREAM_H
#define PTD_STREAM_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum ptd_kind { PTD_HEAD = 1, PTD_GROUP = 2, PTD_STEP = 3, PTD_END = 4 };
#define PTD_FRAME_PREFIX 25
#define PTD_FRAME_MAX    (1u << 30) /* bytes of one body */
#define PTD_PIPE_SIZE    (1 << 20)

struct ptd_frame {
    int kind;
    uint64_t seq, digest, offset; /* offset: of the frame's first byte in the stream */
    const char *body;
    size_t body_len; /* body points into the reader's buffer, valid until the next call */
    const char *raw;
    size_t raw_len; /* the whole frame as it came */
};

/* 1: a file that begins with these n bytes is a stream; for who expects another one. */
int ptd_stream_begins(const char *bytes, size_t n);

struct ptd_reader;
/* Takes fd (closed by ptd_reader_close); `name` is for messages ("-" for standard input). Sets a
 * pipe's buffer to 1 MiB. */
struct ptd_reader *ptd_reader_open(int fd, const char *name);
/* 1: a frame in *f (head and end frames too: the head is always first); 0: nothing after a verified
 * end; -1 failure: 65 damaged, 74 read error, 76 cut, out of order, or an end frame missing. After
 * a failure it always fails again. */
int ptd_reader_next(struct ptd_reader *r, struct ptd_frame *f) PTD_MUST_CHECK;
const char *ptd_reader_name(const struct ptd_reader *r);
/* While input is waited for, watches our own output, too: when its reader leaves, the program ends
 * at once, as SIGPIPE would end it. Without this a pipeline whose last program died would sit for
 * ever, since the first one waits for a generation that nobody makes. */
void ptd_reader_watch(struct ptd_reader *r, int fd);
/* Called each time before a stream has to wait for others, to read or to write; NULL: nobody. */
void ptd_stream_idle(void (*call)(void *ctx), void *ctx);
/* Puts stream, record and byte in front of the last failure, for bodies that do not decode; the
 * reader fails of it from now on. Returns -1. */
int ptd_reader_blame(struct ptd_reader *r, const struct ptd_frame *f);
/* 0 if the stream ended with a verified end, else -1 (the same failure again). Frees r. */
int ptd_reader_close(struct ptd_reader *r) PTD_MUST_CHECK;

struct ptd_writer;
/* Takes fd. Bodies are copied into a block of 1 MiB and written in large pieces; step and end
 * frames flush. */
struct ptd_writer *ptd_writer_open(int fd, const char *name);
/* kind HEAD or GROUP: body as given (one msgpack map). */
int ptd_writer_put(struct ptd_writer *w, int kind, const void *body, size_t len) PTD_MUST_CHECK;
/* Passes on a frame that the stage did not touch: the same bytes if the sequence number still fits.
 */
int ptd_writer_pass(struct ptd_writer *w, const struct ptd_frame *f) PTD_MUST_CHECK;
/* Writes a step frame: {"step": step, "count", "digest"}; flushes. */
int ptd_writer_step(struct ptd_writer *w, int64_t step) PTD_MUST_CHECK;
/* Writes the end frame and flushes; only after everything went well. */
int ptd_writer_end(struct ptd_writer *w) PTD_MUST_CHECK;
int ptd_writer_flush(struct ptd_writer *w) PTD_MUST_CHECK;
/* The descriptor, for poll(). */
int ptd_writer_fd(const struct ptd_writer *w);
/* Closes the descriptor and reports what close() said; writes nothing. Frees w. EPIPE anywhere ends
 * the program as SIGPIPE would. */
int ptd_writer_close(struct ptd_writer *w) PTD_MUST_CHECK;
/* The step number inside a verified step frame's body. */
int ptd_frame_step(const struct ptd_frame *f, int64_t *step) PTD_MUST_CHECK;
#endif
