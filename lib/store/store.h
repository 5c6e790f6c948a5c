/* store: what a run keeps in its directory, in two LMDB environments: DIR/base.mdb holds the
 * weights that the run starts with, written once by ptd-init and never again; DIR/data.mdb what
 * moves: meta, weights, optim, state, dist, order.
 *
 *     database  key                       value
 *     meta      "format"                  1, or 2 where there is a base.mdb, as plain text
 *               "dtype"                   the run's number format, if it is not f32
 *               "origin"                  "random" where generation 0 was trained by nobody
 *               "config.json",            files as they came
 *               "tokenizer.json", ...
 *     weights   "GENERATION/NAME"         tensors; generation as 8 hex digits
 *               "GENERATION/ema.NAME"     what a trainer keeps the running mean of
 *     optim     "m/GENERATION/NAME",      moments of the newest generation, and of the one before
 *                                         it if it can go back to that ("m/NAME", "v/NAME" in
 *               "v/GENERATION/NAME",      stores of earlier programs); of 8-bit ones the scales
 *                                         too, as "NAME.scale"
 *               "l/GENERATION/NAME"       what its weights in bfloat16 leave out
 *     state     "head"                    newest generation, decimal
 *               "pinned"                  generations that are never freed, a JSON list
 *               "base"                    id of base.mdb: a digest of all heads of its values
 *               "run"                     counters and what exact resume needs, JSON
 *               "run/GENERATION/json"     the same of the generation that it can go back to
 *               "partial/GENERATION"      tensors that a generation holds itself, if not all
 *               "asked/STEP"              what a step asked, JSON (method/history.h)
 *               "evaluated"               what ptd-eval found, JSON (method/evaluated.h)
 *     dist      XXH3-128 in hex           what ptd-ref computed (refer.h says what the key is of)
 *     order     number, 16 hex digits     keys of dist, the oldest first; absent in stores of
 *                                         earlier programs
 *     base.mdb: meta "id", as state "base"; weights "00000000/NAME"
 *
 * A tensor of more than 4 MiB is cut into pieces of 4 MiB, the last one shorter: "NAME",
 * "NAME#000001", "NAME#000002" ... (hex); in base.mdb a matrix (two axes or more) into pieces of
 * whole rows, as many as fit in 4 MiB, one at least. One big value costs LMDB 3.3 times what a
 * plain file costs, and its pages are hard to use again. A value of weights or optim is a header of
 * 64 bytes (little-endian: "PTDT", dtype u32 (dtype.h); axes u32, number of the piece u32, 5 x i64
 * shape of the whole tensor, digest u64), then the numbers of the piece; digest = XXH3-64 of the
 * numbers, seeded with the XXH3-64 of the 56 bytes before it. In base.mdb the header is "PTDR" and
 * has 112 bytes, zeros before the digest, so that behind LMDB's 16 bytes of a page numbers are
 * aligned to 64; a small matrix is padded with zeros to a page. Any other value but "format" is a
 * header of 24 bytes ("PTDB", 0 u32, length u64, digest u64), then bytes; digest = XXH3-64 of the
 * bytes, seeded with the XXH3-64 of the key.
 *
 * What generation 0 is filled with (random weights, a checkpoint) keeps the format it came in; what
 * training publishes is float32 or what the optimizer keeps (optimizer.h). Loading converts and
 * gives the mapped pages back at once, so a program holds its weights once. base.mdb can also be
 * used where it lies (ptd_store_map), by all programs from one page cache: nobody writes it, so its
 * map stays, and a reader of it holds no page of data.mdb. Stores of earlier programs have
 * generation 0 in data.mdb and are copied.
 *
 * What is mapped is verified once: the first program that maps checks all digests of base.mdb, on
 * all threads, while others that start with it wait, and writes DIR/base.ok. That note names this
 * start of the machine (boot id), the file's device, inode, size and times of change to the
 * nanosecond, and its id; whoever finds it word for word as the file is now trusts it, if it is a
 * plain file with one name that only its owner can write, and that is the reader, root or the owner
 * of base.mdb, who could have made digests fit as well. Whatever differs verifies again, and so
 * does everybody where no note can be written. ptd-dump --check, ptd-dump --copy, loading and
 * cloning always verify what they read; to have it done again at the next start, remove base.ok.
 *
 * A generation g is the weights after g steps; 0 is where the run starts and the frozen reference,
 * pinned for ever. A partial generation holds what moved (an adapter, say); to all readers its
 * other tensors are those of generation 0. Not every generation need be published: between two, a
 * trainer may keep them in memory (live.h), and where they end with it they are made again, from
 * the head on. Up to 256 MiB are published in one write transaction; more goes in transactions of
 * 256 MiB under keys that nobody reads yet (LMDB holds what a transaction writes in memory), and a
 * last small one moves the head, so a generation is there whole or not at all. What a killed
 * program left behind is removed by the next publication. In the transaction that moves the head
 * all unpinned generations but the newest `keep` of them are freed. Readers keep their snapshot;
 * one that stands still within it keeps every page that is freed from being used again, so the file
 * grows by a generation a step until it goes on. Sync is on, WRITEMAP is not used. No nested
 * transactions, no DUPSORT, MDB_NOTLS. Numbers are copied and digested on all threads; while a
 * large transaction is committed, one more thread has the disk begin before all is copied.
 *
 * Opening checks: directory and data.mdb exist (66), file length against the last used page (65),
 * format version (65), digests of meta and state (65). Dead readers are cleared then and before
 * each write. The same goes for base.mdb, whose id must be the one that data.mdb knows. What
 * damaged pages lead LMDB to, outside of the file or into a failed assertion, ends the program with
 * one line and 65, and so does a page of base.mdb that cannot be read. Map full and disk full are
 * told apart (LMDB folds ENOSPC into EIO) and named with 74. Values' digests are checked on load
 * (65). A store whose creation was cut short (no generation 0) is refused too (65). The file may
 * end in a hole of up to one generation; it takes no disk space. A store is opened once per
 * process, after the last fork, and used from one thread.
 *
 * The map's size is kept in the file; PTD_STORE_MAX in the environment overrides it at creation and
 * opening (64Ki to 64Ti, in bytes, or with Ki Mi Gi Ti; 78 if malformed, whatever the store is
 * opened for). A larger one enlarges the store when something is written, and the other programs
 * follow; a smaller one shrinks nothing, and is where growing ends. It is address space: 71 where
 * ulimit -v refuses it. If others made the file larger than this process's map, the next
 * transaction maps it anew, unless a snapshot is held.
 *
 * Files: data.mdb, base.mdb, lock.mdb and lock are never reached through a symbolic link, and never
 * written if they are something else than LMDB's files and a trainer's note (77). CREATE makes all
 * of them anew, or leaves what it found as it was (73). Beside them lie pictures-*, memos of data
 * sets that were read for this store (pictures.h), which only save time. One trainer:
 * PTD_STORE_TRAIN (and CREATE) locks the first byte of data.mdb, whatever names it has, and
 * DIR/lock, which names host and pid (77 if held). Cache writes need no such lock. All who have
 * data.mdb open must go by one lock.mdb: a byte behind the first stands for each (77 if there is
 * another). A lock.mdb with more names than data.mdb has is another store's too (77). Who may not
 * write lock.mdb reads without it, also where there is none: refused (77) while somebody trains; if
 * it is written meanwhile, so that pages may have been written over, the end of the reading ends
 * the program (77). PTD_STORE_CACHE then reads the cache and adds nothing, after a warning. If
 * DIR/data.mdb is no longer the file that was opened, writing and ptd_store_head fail (74); what is
 * loaded stays. */
#ifndef PTD_STORE_H
#define PTD_STORE_H
#include "base/dtype.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct ptd_store;
enum {
    PTD_STORE_READ = 0,
    PTD_STORE_CACHE = 1 /* may write dist */,
    PTD_STORE_TRAIN = 2 /* may publish */,
    PTD_STORE_CREATE = 4
};

#define PTD_STORE_MAP      (512ull << 30) /* address space, not disk */
#define PTD_STORE_MAP_MOST (64ull << 40)

/* CREATE refuses a folder that holds any of the files (73) */
int ptd_store_open(struct ptd_store **s, const char *dir, int mode) PTD_MUST_CHECK;
void ptd_store_close(struct ptd_store *s);
/* The files that CREATE made, and the directory if CREATE made it and nothing else is in it; before
 * it is closed. Asks for no memory. */
void ptd_store_remove(struct ptd_store *s);
const char *ptd_store_path(const struct ptd_store *s);
int ptd_store_is(const struct ptd_store *s, const char *dir); /* 1 if `dir` holds this very store */
/* For the end of a message about damage: "; looks like a copy made while it was trained ..." if it
 * does, else "". Reads the whole file. */
const char *ptd_store_doubt(const struct ptd_store *s);
/* Gets "store DIR: ..." when LMDB runs into damage that ends the program; must ask for no memory.
 * If it comes back, or is NULL, a line on stderr and 65. */
extern void (*ptd_store_on_damage)(const char *words);

/* CREATE or TRAIN */
int ptd_store_put_meta(struct ptd_store *s, const char *key, const void *value,
                       size_t len) PTD_MUST_CHECK;
/* malloc'd, NUL-terminated; NULL if absent (no failure kept) or, after a warning, damaged */
char *ptd_store_get_meta(struct ptd_store *s, const char *key, size_t *len);

#define PTD_ORIGIN        "origin" /* in meta; no part of an identity */
#define PTD_ORIGIN_RANDOM "random"
#define PTD_ORIGIN_STORE  "store" /* a later generation of another one */

/* The run's number format, PTD_F32 or PTD_BF16: what generation 0 is stored in if it was asked for
 * when the store was made. "dtype" in meta; f32 where that is absent. 65 if it is another. */
int ptd_store_run_dtype(struct ptd_store *s, int *dtype) PTD_MUST_CHECK;
int ptd_store_set_run_dtype(struct ptd_store *s, int dtype) PTD_MUST_CHECK; /* CREATE */

/* A tensor to be loaded or published, and where its numbers lie: on the host, or wherever take puts
 * and give finds n of them from number `first` on, at most those of a piece (4 MiB). Both are
 * called by one thread, the one that loads or publishes. They are floats, or of another format, of
 * which `data`, `from` and `to` are then arrays; loading rounds to it, if it is bfloat16. */
struct ptd_tensor_view {
    const char *name;
    int n_dims;
    int64_t dims[5];
    float *data; /* NULL: they lie elsewhere */
    size_t n;    /* product of dims */
    void (*take)(const struct ptd_tensor_view *v, size_t first, size_t n, const float *from);
    void (*give)(const struct ptd_tensor_view *v, size_t first, size_t n, float *to);
    void *owner, *place; /* theirs */
    int dtype;           /* of the numbers there, and as they are published; 0: float32 */
};

int ptd_store_trained(struct ptd_store *s); /* 1 while a trainer holds the store, else 0 */
/* newest published generation */
int ptd_store_head(struct ptd_store *s, int64_t *generation) PTD_MUST_CHECK;
/* Reads every tensor in t[] of one generation as float, on all threads if into t[i].data, checking
 * shape and digest. 66 if the generation is not kept. */
int ptd_store_load(struct ptd_store *s, int64_t generation, struct ptd_tensor_view *t,
                   int n) PTD_MUST_CHECK;
/* 66 if absent */
int ptd_store_load_optim(struct ptd_store *s, char which /* 'm', 'v' or 'l' */,
                         struct ptd_tensor_view *t, int n) PTD_MUST_CHECK;
/* The format in which the newest generation's are kept; 0: there are none of that name. */
int ptd_store_optim_dtype(struct ptd_store *s, char which, const char *name) PTD_MUST_CHECK;
/* A tensor of the frozen generation where it lies in the map of base.mdb, read-only, in pieces of
 * whole rows (a row: one step along the first axis); each begins at a multiple of 64 bytes, and
 * stays until the store is closed. */
struct ptd_mapped_piece {
    const void *data;
    int64_t rows;
};
struct ptd_mapped {
    int dtype, n_dims;
    int64_t dims[5];
    size_t n;
    struct ptd_mapped_piece *pieces;
    int n_pieces;
};
/* 0: *out is filled, to be cleared. 1: it cannot be mapped, and ptd_store_load is the way: another
 * generation, a store of earlier programs, or numbers that are not aligned (of one axis, and few).
 * -1: missing or damaged (65). The first call verifies all of base.mdb, unless that was done, and
 * prefaults if PTD_PREFAULT is in the environment, and not 0. */
int ptd_store_map(struct ptd_store *s, int64_t generation, const char *name,
                  struct ptd_mapped *out) PTD_MUST_CHECK;
void ptd_mapped_clear(struct ptd_mapped *m); /* the list, not the numbers */
/* Has all pages of base.mdb mapped now, on all threads, instead of when they are first touched; 1
 * if there is none. A page that cannot be read is met later. */
int ptd_store_prefault(struct ptd_store *s);
char *ptd_store_get_run(struct ptd_store *s); /* the "run" JSON, malloc'd; NULL if none */
/* What a step asked, JSON, kept before the step can be trained. Any way to open the store but READ;
 * no room is a failure (74), not as of the cache. */
int ptd_store_put_asked(struct ptd_store *s, int64_t step, const char *json) PTD_MUST_CHECK;
/* malloc'd; NULL if it is not there */
char *ptd_store_get_asked(struct ptd_store *s, int64_t step);

/* What an evaluation beside the run goes by, JSON (method/evaluated.h). Both as above. */
int ptd_store_put_evaluated(struct ptd_store *s, const char *json) PTD_MUST_CHECK;
char *ptd_store_get_evaluated(struct ptd_store *s);
/* Has a generation stay (pin 1) or go with the next publication after the newest `keep` have passed
 * it; 0 always stays. Any way to open the store but READ, also while it is trained. -1: 66 it is
 * not kept, 74, 77. */
int ptd_store_pin(struct ptd_store *s, int64_t generation, int pin) PTD_MUST_CHECK;
/* Asks the trainer to end in order, as SIGTERM does. 1: it is asked, 0: nobody trains here; -1: 77
 * it is on another machine or another user's. */
int ptd_store_stop_trainer(struct ptd_store *s) PTD_MUST_CHECK;

struct ptd_publication {
    int64_t generation; /* after the head (0 in a new store); those between are not kept */
    struct ptd_tensor_view *weights, *m, *v; /* each [n]; m, v may be NULL */
    int n;
    /* JSON text for state/run; NULL removes it, as NULL m, v or low removes those: state never
     * outlives its generation */
    const char *run;
    int keep;      /* newest generations to keep besides the pinned ones; at least 1 */
    int pin;       /* pin this generation; generation 0 always is */
    int partial;   /* 1: tensors that are not among them are those of generation 0 */
    int n_moments; /* of m and of v, if that is another number; 0: n */
    struct ptd_tensor_view *low; /* [n_low]; NULL: none */
    int n_low;
    /* [n] weights of the generation before, which then is kept beside it; NULL: not asked for. It
     * must be after the head, too. */
    struct ptd_tensor_view *before;
    /* 1: what the head before has beside its weights stays, so that ptd_store_go_back can make it
     * the head again */
    int can_go_back;
};
/* Memory that publishing so many bytes of tensors takes meanwhile, and keeps. */
size_t ptd_store_publishing(size_t bytes);
int ptd_store_publish(struct ptd_store *s, const struct ptd_publication *p) PTD_MUST_CHECK;
/* The generation before the head that can be the head again, -1: none. */
int ptd_store_back(struct ptd_store *s, int64_t *generation) PTD_MUST_CHECK;
/* It is, and what came after it is gone. TRAIN. */
int ptd_store_go_back(struct ptd_store *s) PTD_MUST_CHECK;

/* Cached values by key (dist): 0 found (*value malloc'd), 1 absent, -1 failure (a digest that does
 * not fit counts as absent, with a warning). */
int ptd_store_get_cached(struct ptd_store *s, const char *key, void **value,
                         size_t *len) PTD_MUST_CHECK;
/* Bounds what cached values take in the file, pages and all: -1: an eighth of the map; 0: nothing
 * is kept. What is more goes, the oldest first, now and with each value that comes. Values also
 * leave room for a publication, whatever the bound. */
int ptd_store_cache_max(struct ptd_store *s, int64_t bytes) PTD_MUST_CHECK;
/* Keeps n values, in transactions of 256 MiB. A cache is only a cache: where there is no room for
 * it (map, disk, file size) that is one warning for each opened store, and no failure. */
int ptd_store_put_cached(struct ptd_store *s, const char *const *keys, const void *const *values,
                         const size_t *lens, int n) PTD_MUST_CHECK;

/* What a store says of a tensor. */
struct ptd_tensor_about {
    const char *name;
    int dtype, n_dims;
    int64_t dims[5];
    size_t n;
};

/* Fills generation 0 of a new store and publishes it, pinned. fill writes n values of tensor i from
 * value `first` on, in the tensor's dtype, to `out` (aligned to 8 bytes); it is called for each
 * piece in order, possibly twice for the same piece. -1 keeps fill's failure. */
struct ptd_filling {
    const struct ptd_tensor_about *tensors;
    int n;
    int (*fill)(void *ctx, int i, size_t first, size_t n, void *out);
    void *ctx;
};
int ptd_store_fill(struct ptd_store *s, const struct ptd_filling *f) PTD_MUST_CHECK;

#define PTD_AVERAGE "ema." /* before a tensor's name: its running mean (method/ema.h) */
int ptd_store_is_average(const char *name);
/* The tensors of a generation in order of their names, averages among them; free with
 * ptd_store_list_free. 66 if it is not kept. */
int ptd_store_list(struct ptd_store *s, int64_t generation, struct ptd_tensor_about **list,
                   int *n) PTD_MUST_CHECK;
void ptd_store_list_free(struct ptd_tensor_about *list, int n);
/* 1 yes, 0 no or failed */
int ptd_store_has(struct ptd_store *s, int64_t generation, const char *name);
/* The same of what it holds itself, and does not take from generation 0. */
int ptd_store_holds(struct ptd_store *s, int64_t generation, const char *name);
/* Copies n values of a tensor from value `first` on as they are stored. Digests are checked, once
 * for what lies together if a snapshot is held. */
int ptd_store_read(struct ptd_store *s, int64_t generation, const struct ptd_tensor_about *t,
                   size_t first, size_t n, void *out) PTD_MUST_CHECK;
/* What a tensor of the newest generation, in bfloat16, leaves out of n values from value `first`
 * on, which must lie within one ptd_store_piece(PTD_I16): 0 found, 1 it has none, -1 failure. */
int ptd_store_read_low(struct ptd_store *s, int64_t generation, const char *name, size_t first,
                       size_t n, int16_t *out) PTD_MUST_CHECK;
size_t ptd_store_piece(int dtype); /* values in 4 MiB */
/* Keeps one snapshot for all reading until released, so that a trainer cannot free what is being
 * read; the store grows meanwhile. May nest. */
int ptd_store_hold(struct ptd_store *s) PTD_MUST_CHECK;
void ptd_store_release(struct ptd_store *s);

/* Walks everything for ptd-dump: calls f for each key of each database ("weights",
 * "00000000/model...", value, len) in order: meta, weights, optim, state, dist, order. Values of
 * weights and optim come as pieces, for ptd_store_tensor; all others without their header, digest
 * checked (65 if damaged). They are aligned to 8 bytes and live until f returns; keys have no NUL.
 * Stops with -1 when f returns anything but 0, keeping f's failure. */
int ptd_store_walk(struct ptd_store *s,
                   int (*f)(const char *db, const char *key, size_t key_len, const void *value,
                            size_t len, void *ctx),
                   void *ctx) PTD_MUST_CHECK;
/* A decoded value of weights or optim: n values of the whole from `first` on. data points into
 * value, so it is only as aligned as that. */
struct ptd_tensor_piece {
    struct ptd_tensor_about whole; /* name NULL */
    size_t first, n;
    const void *data;
    size_t head, len; /* bytes of the value before data, and all of it */
    uint32_t number;  /* which of its tensor's */
};
/* checks the digest */
int ptd_store_tensor(const void *value, size_t len, struct ptd_tensor_piece *p) PTD_MUST_CHECK;
/* Around n numbers that lie at value + PTD_TENSOR_HEAD, those of t from number `first` on (a
 * multiple of ptd_store_piece): makes it the value that data.mdb would hold. So the same weights
 * have the same digests, however they are cut. Returns its bytes. */
#define PTD_TENSOR_HEAD 64
size_t ptd_store_recut(char *value, const struct ptd_tensor_about *t, size_t first, size_t n);
/* What a reader of a generation goes by, in 16 hex digits: names, shapes and digests of its
 * tensors, and the files in meta. */
int ptd_store_identity(struct ptd_store *s, int64_t generation, char hex[17]) PTD_MUST_CHECK;
/* Copies all of s, as one snapshot, to the new store DIR, which appears whole or not at all; s may
 * be trained meanwhile, and grows as long as this takes. What was copied is checked. 73 if DIR is
 * there. -1 with *stop set: as soon as that is; a thread may still read s, so the program must end
 * without closing it. */
int ptd_store_copy(struct ptd_store *s, const char *dir, const volatile int *stop) PTD_MUST_CHECK;
/* Copies meta and one generation's weights of `from` into the new store `to` as generation 0,
 * pinned; more: tensors to add to them, or NULL. dtype: that of all weights but adapters
 * (lora_A.weight, lora_B.weight) and what is added, to nearest even, and of the run, f32 with what
 * a split master's bf16 leaves out; 0: as they are. */
int ptd_store_clone(struct ptd_store *from, int64_t generation, int dtype, struct ptd_store *to,
                    const struct ptd_filling *more) PTD_MUST_CHECK;
#endif
