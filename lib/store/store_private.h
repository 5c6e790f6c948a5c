/* store_private: what the files of the store share; each builds on those before it:
 *
 *   store_torn     whether a damaged file looks like a copy made while it was trained
 *   store_fail     failures in words, the stores that are open
 *   store_files    the files that a store lies in, and their locks
 *   store_guard    faults that damaged pages lead to
 *   store          transactions, plain values, the head, walking
 *   store_keys     under which keys tensors lie, walking over them
 *   store_piece    how a tensor is cut, a piece as bytes
 *   store_fill     writing pieces
 *   store_tensor   reading tensors
 *   store_list     which tensors there are, what a generation is told by
 *   store_cache    cached values
 *   store_partial  generations that hold a part of the tensors only
 *   store_kept     the head, pins, which generations go
 *   store_publish  publishing generations
 *   store_clone    a generation as a new store
 *   store_base     the frozen generation's own file
 *   store_map      its numbers where they lie in the map
 *   store_open     the environment
 *   store_copy     copies of a whole store
 *   live           generations between publications */
#ifndef PTD_STORE_PRIVATE_H
#define PTD_STORE_PRIVATE_H
#include "store/store.h"
#include <jansson.h>
#include <limits.h>
#include <lmdb.h>
#include <sys/types.h>

enum { DB_META, DB_WEIGHTS, DB_OPTIM, DB_STATE, DB_DIST, DB_ORDER, N_DBS };
#define PAGE_HEAD         16 /* bytes of LMDB's page before what it holds */
#define KEY_MAX           511
#define PTD_FORMAT_KEY    "format"
#define PTD_FORMAT        "1"
#define PTD_FORMAT_FROZEN "2" /* generation 0 is in base.mdb */
#define PTD_DTYPE_KEY     "dtype"
#define KEPT              INT_MIN /* in place of an LMDB code: ptd_fail was called already */

#define PTD_STORE_FILES 4 /* data.mdb, lock.mdb, lock, base.mdb */
#define PTD_BASE        "base.mdb"
struct ptd_store_file {
    dev_t dev;
    ino_t ino;
};

struct ptd_store {
    char *dir, *path; /* path: of data.mdb */
    const char *file; /* its name, "data.mdb" or PTD_BASE */
    /* What lies in base.mdb: one more environment, which nobody writes once it is made. Its view
     * lasts until it is closed. NULL: generation 0 is in data.mdb. */
    struct ptd_store *base;
    int trusted;        /* a base whose digests were verified */
    const void *intact; /* the last piece whose digest was checked in the present view */
    int mode;
    /* Descriptors of the directory, of data.mdb (for its locks), of a trainer's DIR/lock; or -1. */
    int at, data, lock;
    int lockless;   /* read without LMDB's locks, since lock.mdb cannot be written */
    char *uncached; /* why its cache cannot be written, which was to be; else NULL */
    size_t map;     /* PTD_STORE_MAX; 0: as the file says */
    int lost;       /* an LMDB code or errno: there is no map any more */
    struct ptd_store_file made[PTD_STORE_FILES], made_dir; /* what CREATE made */
    MDB_env *env;
    MDB_dbi db[N_DBS]; /* 0: not there, as "order" in stores of earlier programs */
    /* the read transaction, idle between calls: renewing it costs less than a new one */
    MDB_txn *view;
    int viewing;    /* how often it is held */
    int changing;   /* in a write transaction: a fault is the file's */
    size_t written; /* pages that the running write transaction may add to the file, in bytes */
    struct {
        int bounded, off, told; /* max is set; nothing is put any more; want of room was told */
        uint64_t max;           /* bytes that it may take */
        uint64_t publishing;    /* bytes that a publication takes */
        /* ptd_store_cache_give, for who may write: asked when the map is full */
        int (*give)(struct ptd_store *s, uint64_t bytes);
    } cache;
    dev_t dev;
    ino_t ino, locks;       /* of data.mdb and lock.mdb */
    struct ptd_store *next; /* stores open in this process */
};
extern struct ptd_store *ptd_store_all;

/* ---- files (store_files.c); -1 after ptd_fail ---- */

int ptd_store_make_files(struct ptd_store *s) PTD_MUST_CHECK;
/* Opens s's base.mdb for `base`, which is to hold it; make: it must not be there yet. */
int ptd_store_open_base_file(struct ptd_store *s, struct ptd_store *base, int make) PTD_MUST_CHECK;
void ptd_store_unmake_base_file(struct ptd_store *s); /* removes it if it was made */
/* Its entries survive a power failure. */
int ptd_store_sync_directory(struct ptd_store *s) PTD_MUST_CHECK;
/* Opens the directory and data.mdb, which must look like LMDB's. */
int ptd_store_open_data(struct ptd_store *s) PTD_MUST_CHECK;
/* Sees to it that LMDB may open lock.mdb, and that all who use data.mdb go by the same one; or sets
 * lockless. */
int ptd_store_share_lock(struct ptd_store *s) PTD_MUST_CHECK;
int ptd_store_take_lock(struct ptd_store *s) PTD_MUST_CHECK; /* the trainer's */
/* Notes beside it the descriptor of the trainer's live generations (live.h); -1: none. */
int ptd_store_note_live(struct ptd_store *s, int fd) PTD_MUST_CHECK;
/* What the trainer noted; -1 if nothing. */
int ptd_store_noted_live(struct ptd_store *s, long *pid);
/* DIR/data.mdb is still the file that is open. */
int ptd_store_check_place(struct ptd_store *s) PTD_MUST_CHECK;
/* the map's size that the file keeps; 0 if unknown */
size_t ptd_store_map_in_file(struct ptd_store *s);
void ptd_store_close_files(struct ptd_store *s);

/* ---- transactions, plain values (store.c) ---- */

static inline MDB_val ptd_store_key(const char *key)
{
    return (MDB_val){__builtin_strlen(key), (void *)key};
}

extern const char *const ptd_store_db[N_DBS]; /* names of the databases */
size_t ptd_store_page(struct ptd_store *s);   /* bytes of a page */
/* Faults and assertions in LMDB end the program with 65 from now on. */
void ptd_store_guard(struct ptd_store *s);
/* the one used last: whose fault it is if the address does not tell */
extern struct ptd_store *ptd_store_used;
/* -1 after keeping status and words for an LMDB code or errno (KEPT: nothing to add). */
int ptd_store_fail(struct ptd_store *s, int rc, const char *doing);
/* The oldest snapshot that another process reads, SIZE_MAX if there is none; its pid (0: none) if
 * pid is not NULL. */
size_t ptd_store_oldest(struct ptd_store *s, long *pid);
/* A snapshot in s->view until ptd_store_view_end; may nest. */
int ptd_store_view(struct ptd_store *s) PTD_MUST_CHECK;
void ptd_store_view_end(struct ptd_store *s);
/* 1 if what was read without locks may have been written over since the view began. The end of a
 * view dies of it (77). */
int ptd_store_is_stale(struct ptd_store *s);
extern const char ptd_store_stale[]; /* in words */
/* bytes from which on a commit sends pages ahead; tests lower it */
extern size_t ptd_store_send;
/* Runs f in a write transaction and commits; dead readers are cleared before; into a full map the
 * cache gives room back, and f runs again. f returns an LMDB code or KEPT. */
typedef int ptd_store_change_fn(struct ptd_store *s, MDB_txn *txn, const void *arg);
int ptd_store_change(struct ptd_store *s, ptd_store_change_fn *f, const void *arg,
                     const char *doing) PTD_MUST_CHECK;
/* The same once, whatever comes of it: an LMDB code or KEPT. */
int ptd_store_attempt(struct ptd_store *s, ptd_store_change_fn *f, const void *arg);
/* mdb_put that notes how far the file may grow; v->mv_data is set if flags has MDB_RESERVE. An LMDB
 * code. */
int ptd_store_put(struct ptd_store *s, MDB_txn *txn, int db, const char *key, MDB_val *v,
                  unsigned flags);
/* Plain values: a header with their digest, then the bytes. get: an LMDB code or KEPT; *value
 * points into the map. */
int ptd_store_put_plain(struct ptd_store *s, MDB_txn *txn, int db, const char *key,
                        const void *value, size_t len);
int ptd_store_get_plain(struct ptd_store *s, MDB_txn *txn, int db, const char *key, MDB_val *value);
/* what ptd_store_run_dtype reads; f32 is said by its absence */
int ptd_store_put_dtype(struct ptd_store *s, MDB_txn *txn, int dtype);
int ptd_store_check_plain(struct ptd_store *s, MDB_txn *txn, int db); /* all of a database */

int ptd_store_bad_key(struct ptd_store *s, const char *key); /* -1 (a bug) if it cannot be one */
/* An LMDB code or KEPT; *g is -1 if nothing was published. */
int ptd_store_get_head(struct ptd_store *s, MDB_txn *txn, int64_t *g);
/* Gives the mapped pages of a large value back; they stay in the page cache. */
void ptd_store_forget(const void *data, size_t bytes);

/* ---- the cache (store_cache.c) ---- */

/* Gives back at least so many bytes of it, or all there is, and makes what was freed before usable:
 * 1 if trying again is worth while. */
int ptd_store_cache_give(struct ptd_store *s, uint64_t bytes);
/* Sees to it that a publication of so many bytes finds room, as far as the cache is in its way. */
void ptd_store_cache_leave(struct ptd_store *s, uint64_t bytes);

/* ---- keys (store_keys.c) ---- */

#define PTD_PREFIX 24 /* bytes of a prefix with its NUL */
void ptd_store_prefix(char prefix[PTD_PREFIX], const char *kind /* "" or "m/" */,
                      int64_t generation);
void ptd_store_piece_key(char key[KEY_MAX + 1], const char *prefix, const char *name, size_t piece);
/* Moves to the first key from `from` on, which must begin with `prefix`: an LMDB code, MDB_NOTFOUND
 * if it does not. */
int ptd_store_seek(MDB_cursor *c, const char *from, const char *prefix, MDB_val *k, MDB_val *v);
int ptd_store_has_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix);
/* f for each piece of weights under a prefix in the keeper's present view, in order; `rest` is its
 * key behind the prefix. Stops with what f returns but 0: an LMDB code or KEPT. */
int ptd_store_each(struct ptd_store *keeper, const char *prefix,
                   int (*f)(void *ctx, const MDB_val *rest, const MDB_val *value), void *ctx);

/* ---- pieces (store_piece.c) ---- */

/* Behind LMDB's head of a page and one of so many bytes numbers are aligned to 64. */
#define PTD_ROWS_HEAD 112
/* Values in a piece; rows: where matrices are cut into whole rows. */
size_t ptd_store_cut(const struct ptd_tensor_about *t, int rows);
size_t ptd_store_bytes(const struct ptd_tensor_about *t, int n);
/* what they take in the file, at most, however they are cut */
size_t ptd_store_room(const struct ptd_tensor_about *t, int n);
size_t ptd_store_piece_head(const void *value, size_t len); /* bytes before its numbers */
/* As ptd_store_tensor (store.h), without the digest; and that alone: 1 if it is right. */
int ptd_store_parse_piece(const void *value, size_t len, struct ptd_tensor_piece *p) PTD_MUST_CHECK;
int ptd_store_piece_intact(const struct ptd_tensor_piece *p);
/* The head before numbers that are there; len: bytes of the value. */
void ptd_store_seal_piece(char *value, const struct ptd_tensor_about *t, size_t number, int rows,
                          size_t len);

/* Place of number i where the view's numbers lie on the host. */
static inline char *ptd_store_place(const struct ptd_tensor_view *v, size_t i)
{
    return (char *)v->data + i * ptd_dtype_size(v->dtype ? v->dtype : PTD_F32);
}

/* ---- writing pieces (store_fill.c) ---- */

/* A run of tensors under one prefix, to be written piece by piece. */
struct ptd_writing {
    int db;
    int rows; /* in pieces of whole rows, for base.mdb */
    char prefix[PTD_PREFIX];
    struct ptd_filling f;
    const struct ptd_tensor_view *views; /* where the numbers are, or NULL: f.fill makes them */
};
/* Pieces that have their place in the transaction and wait for their numbers. */
#define PTD_WAITING 16
struct ptd_waiting {
    struct ptd_waiting_piece {
        const struct ptd_writing *w;
        int i;
        size_t first, n, len; /* len: bytes of the value */
        char *place;
    } pieces[PTD_WAITING];
    int n;
    _Atomic int next; /* to be filled */
};
extern size_t ptd_store_batch; /* bytes of tensors per transaction; tests lower it */
/* Writes the piece of tensor i that begins with value `first`, or adds it to those that wait; *n:
 * its values. An LMDB code or KEPT. */
int ptd_store_put_piece(struct ptd_store *s, MDB_txn *txn, const struct ptd_writing *w, int i,
                        size_t first, size_t *n, struct ptd_waiting *waiting);
/* Fills them on all threads; to be called before anything is deleted and before the transaction
 * ends. */
void ptd_store_fill_waiting(struct ptd_waiting *waiting);

/* ---- reading tensors (store_tensor.c) ---- */

/* The store whose environment holds the weights of a generation: s or its base. */
struct ptd_store *ptd_store_keeper(struct ptd_store *s, const char *prefix);
/* Piece number `piece` of a tensor in the present view of a keeper, not yet checked against its
 * digest. */
int ptd_store_get_piece(struct ptd_store *s, int db, const char *prefix, const char *name,
                        size_t piece, struct ptd_tensor_piece *p) PTD_MUST_CHECK;
/* Whether the present view holds a published generation; its prefix, and whether it is partial. */
int ptd_store_find_generation(struct ptd_store *s, int64_t generation, char prefix[PTD_PREFIX],
                              int *partial) PTD_MUST_CHECK;
/* "store DIR: tensor "KEY": what" */
int ptd_store_blame(struct ptd_store *s, const char *key, const char *what);

/* ---- lists (store_list.c) ---- */

/* Of names, shapes and digests of all weights under a prefix in the present view. An LMDB code. */
int ptd_store_digest(struct ptd_store *s, const char *prefix, uint64_t *digest);

/* ---- partial generations (store_partial.c) ---- */

/* With the head's move: how many tensors of its own a partial generation holds; 0: it is not there,
 * or none. An LMDB code. */
int ptd_store_mark_partial(struct ptd_store *s, MDB_txn *txn, int64_t generation, int tensors);
/* Whether a generation of the present view holds a part only, of which nothing may be missing. An
 * LMDB code or KEPT. */
int ptd_store_partial(struct ptd_store *s, int64_t generation, int *partial);
/* Under which prefix a tensor of the generation lies: its own or generation 0's. */
int ptd_store_prefix_of(struct ptd_store *s, int64_t generation, int partial, const char *name,
                        char prefix[PTD_PREFIX]) PTD_MUST_CHECK;

/* ---- which generations there are (store_kept.c); LMDB codes or KEPT ---- */

int ptd_store_put_head(struct ptd_store *s, MDB_txn *txn, int64_t g);
/* *pins, the caller's: the pinned generations, with g added if it is to be pinned. */
int ptd_store_update_pins(struct ptd_store *s, MDB_txn *txn, int64_t g, int pin, json_t **pins);
/* Deletes all keys that begin with `prefix` but not with `but` (NULL: all of them). */
int ptd_store_delete_prefix(struct ptd_store *s, MDB_txn *txn, int db, const char *prefix,
                            const char *but);
/* All generations that have keys "KINDg/..." in a database, oldest first; *list is malloc'd.
 * Moments of earlier programs have none. */
int ptd_store_list_generations(struct ptd_store *s, MDB_txn *txn, int db, const char *kind,
                               int64_t **list, int *n);
/* Frees unpinned generations but the newest `keep` of them. */
int ptd_store_drop_old(struct ptd_store *s, MDB_txn *txn, const json_t *pins, int keep);
/* What a killed publication left behind, whichever generation it was of: once the head has passed
 * it, it would be taken for whole. */
int ptd_store_sweep(struct ptd_store *s, MDB_txn *txn);

/* ---- new stores (store_publish.c, store_clone.c) ---- */

int ptd_store_is_adapter(const char *name); /* 1: a tensor of an adapter, by its name */
/* Fills a new store's base.mdb and publishes it as generation 0, with the files in meta of another
 * store (NULL: of none) and the run's dtype (0: as in that one). */
int ptd_store_freeze(struct ptd_store *s, const struct ptd_filling *f, struct ptd_store *meta,
                     int dtype) PTD_MUST_CHECK;

/* ---- the frozen generation (store_base.c) ---- */

#define PTD_BASE_KEY "id" /* in meta of base.mdb; its value is state/base of data.mdb */
/* Makes base.mdb, with room for so many bytes, to be written through s->base. */
int ptd_store_make_base(struct ptd_store *s, size_t room) PTD_MUST_CHECK;
/* Ends that: its id, all of it on the disk, and s->base is what a reader has. */
int ptd_store_seal_base(struct ptd_store *s, char id[17]) PTD_MUST_CHECK;
void ptd_store_drop_base(struct ptd_store *s); /* closes it, and removes it if it was made */
int ptd_store_open_base(struct ptd_store *s) PTD_MUST_CHECK; /* for reading */
/* Removes the note that base.mdb was verified (store_map.c): 1 if there is none then, 0 if what
 * bears its name is not ours, or stays. */
int ptd_store_drop_note(struct ptd_store *s);
/* The file must be as long as its last page asks. */
int ptd_store_check_length(struct ptd_store *s) PTD_MUST_CHECK;
#endif
