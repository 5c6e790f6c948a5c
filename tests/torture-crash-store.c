/* Edits one number of a store and makes its digest right again: torture-crash-store DIR weights|m|v
 * TENSOR INDEX VALUE, or
 * torture-crash-store DIR COUNTER VALUE for one of state/run. VALUE: nan, inf, a number, or ^BIT,
 * which flips a bit. torture-crash-store DIR counts the numbers of all generations and moments that
 * are not finite. */
#include "base/err.h"
#include <jansson.h>
#include <lmdb.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define TENSOR_HEAD 64
#define PLAIN_HEAD  24

static void check(int rc, const char *doing)
{
    if (rc) ptd_die(PTD_IOERR, "%s: %s", doing, mdb_strerror(rc));
}

static void edit_float(float *x, const char *value)
{
    uint32_t bits;
    if (*value != '^') {
        *x = strtof(value, NULL);
        return;
    }
    memcpy(&bits, x, sizeof bits);
    bits ^= 1u << atoi(value + 1);
    memcpy(x, &bits, sizeof bits);
}

/* The last key that begins with `prefix` and ends with "/TENSOR": that of the newest generation. */
static void find(MDB_txn *txn, MDB_dbi db, const char *prefix, const char *tensor, char key[512])
{
    MDB_cursor *c;
    MDB_val k, v;
    size_t n = strlen(tensor);
    *key = 0;
    check(mdb_cursor_open(txn, db, &c), "cursor");
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        const char *at = k.mv_data;
        if (strncmp(at, prefix, strlen(prefix)) || k.mv_size < n + 1 ||
            at[k.mv_size - n - 1] != '/' || memcmp(at + k.mv_size - n, tensor, n))
            continue;
        snprintf(key, 512, "%.*s", (int)k.mv_size, at);
    }
    mdb_cursor_close(c);
    if (!*key) ptd_die(PTD_NOINPUT, "no tensor %s%s", prefix, tensor);
}

static void edit_tensor(MDB_txn *txn, const char *kind, const char *tensor, long index,
                        const char *value)
{
    int weights = !strcmp(kind, "weights");
    char key[512], *copy;
    MDB_dbi db;
    MDB_val k, v;
    uint64_t digest;
    check(mdb_dbi_open(txn, weights ? "weights" : "optim", 0, &db), "opening");
    find(txn, db, weights ? "" : kind, tensor, key);
    k = (MDB_val){strlen(key), key};
    check(mdb_get(txn, db, &k, &v), key);
    copy = memcpy(ptd_alloc(v.mv_size), v.mv_data, v.mv_size);
    edit_float((float *)(void *)(copy + TENSOR_HEAD) + index, value);
    digest = XXH3_64bits_withSeed(copy + TENSOR_HEAD, v.mv_size - TENSOR_HEAD,
                                  XXH3_64bits(copy, TENSOR_HEAD - sizeof digest));
    memcpy(copy + TENSOR_HEAD - sizeof digest, &digest, sizeof digest);
    v.mv_data = copy;
    check(mdb_put(txn, db, &k, &v, 0), key);
    free(copy);
}

static void edit_run(MDB_txn *txn, const char *counter, const char *value)
{
    MDB_dbi db;
    MDB_val k = {3, "run"}, v;
    check(mdb_dbi_open(txn, "state", 0, &db), "opening");
    check(mdb_get(txn, db, &k, &v), "run");
    json_t *run = json_loadb((char *)v.mv_data + PLAIN_HEAD, v.mv_size - PLAIN_HEAD, 0, NULL);
    long long old = json_integer_value(json_object_get(run, counter)),
              new = *value == '^' ? old ^ 1ll << atoi(value + 1) : atoll(value);
    json_object_set_new(run, counter, json_integer(new));
    char *text = json_dumps(run, JSON_COMPACT), *plain;
    uint64_t head[3] = {0, strlen(text),
                        XXH3_64bits_withSeed(text, strlen(text), XXH3_64bits("run", 3))};
    memcpy(head, "PTDB", 4);
    plain = ptd_format("%*s%s", PLAIN_HEAD, "", text);
    memcpy(plain, head, sizeof head);
    v = (MDB_val){PLAIN_HEAD + strlen(text), plain};
    check(mdb_put(txn, db, &k, &v, 0), "run");
    free(plain);
    free(text);
    json_decref(run);
}

static long count_bad(MDB_txn *txn, const char *name)
{
    MDB_dbi db;
    MDB_cursor *c;
    MDB_val k, v;
    long bad = 0;
    float x;
    check(mdb_dbi_open(txn, name, 0, &db), name);
    check(mdb_cursor_open(txn, db, &c), "cursor");
    while (!mdb_cursor_get(c, &k, &v, MDB_NEXT))
        for (size_t at = TENSOR_HEAD; at < v.mv_size; at += sizeof x) {
            memcpy(&x, (char *)v.mv_data + at, sizeof x);
            bad += !isfinite(x);
        }
    mdb_cursor_close(c);
    return bad;
}

int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn;
    if (argc != 2 && argc != 4 && argc != 6)
        ptd_die(PTD_USAGE, "expected DIR, DIR COUNTER VALUE or DIR weights|m|v TENSOR INDEX VALUE");
    check(mdb_env_create(&env), "store");
    mdb_env_set_maxdbs(env, 8);
    check(mdb_env_open(env, argv[1], 0, 0644), argv[1]);
    check(mdb_txn_begin(env, NULL, 0, &txn), argv[1]);
    if (argc == 6)
        edit_tensor(txn, argv[2], argv[3], atol(argv[4]), argv[5]);
    else if (argc == 2)
        printf("%ld\n", count_bad(txn, "weights") + count_bad(txn, "optim"));
    else
        edit_run(txn, argv[2], argv[3]);
    check(mdb_txn_commit(txn), argv[1]);
    mdb_env_close(env);
    return 0;
}
