/* What a disk may hold of a store's data.mdb after a power failure: torture-crash-power RECORD BASE
 * prints the number of moments at which it may fail, torture-crash-power RECORD BASE MOMENT VARIANT
 * OUT writes one image, and prints how many commits had returned by then. BASE: data.mdb before the
 * recorded calls.
 *
 * What was synced is there. Of what was not, variant 0 keeps all, 1 nothing, the others choose at
 * random: even ones calls, odd ones sectors of 512 bytes. */
#include "base/err.h"
#include "torture-crash-power.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

struct op {
    struct op_head h;
    const char *bytes;
};

struct image {
    char *data;
    size_t size, cap;
};

static struct image read_file(const char *path)
{
    struct image f = {0};
    FILE *in = fopen(path, "rb");
    if (!in) ptd_die(PTD_NOINPUT, "%s:", path);
    do {
        f.data = ptd_realloc(f.data, f.cap = f.cap * 2 + 65536);
        f.size += fread(f.data + f.size, 1, f.cap - f.size, in);
    } while (f.size == f.cap);
    fclose(in);
    return f;
}

static int parse(const struct image *record, struct op **list)
{
    int n = 0;
    *list = NULL;
    for (size_t at = 0; at < record->size; n++) {
        struct op *o = &(*list = ptd_realloc(*list, (n + 1) * sizeof **list))[n];
        memcpy(&o->h, record->data + at, sizeof o->h);
        o->bytes = record->data + (at += sizeof o->h);
        if (o->h.kind == OP_WRITE) at += o->h.len;
    }
    return n;
}

static void resize(struct image *f, size_t size)
{
    if (size > f->cap) f->data = ptd_realloc(f->data, f->cap = size);
    if (size > f->size) memset(f->data + f->size, 0, size - f->size);
    f->size = size;
}

static uint64_t rnd(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Sectors lie at multiples of SECTOR in the file, wherever the call began. */
static void apply(struct image *f, const struct op *o, int by_sector, uint64_t *state)
{
    size_t end = o->h.offset + o->h.len, n;
    if (o->h.kind == OP_TRUNCATE) resize(f, o->h.len);
    if (o->h.kind != OP_WRITE) return;
    for (size_t at = o->h.offset; at < end; at += n) {
        n = SECTOR - at % SECTOR < end - at ? SECTOR - at % SECTOR : end - at;
        if (by_sector && rnd(state) & 1) continue;
        if (at + n > f->size) resize(f, at + n);
        memcpy(f->data + at, o->bytes + (at - o->h.offset), n);
    }
}

/* The failure comes during call number `moment`. Returns the number of commits that had returned:
 * each ends with a durable write of a meta page. */
static int build(struct image *f, const struct op *ops, int n, int moment, int variant)
{
    uint64_t state = (uint64_t)moment << 32 | (unsigned)variant;
    int synced = -1, commits = 0;
    for (int i = 0; i < moment; i++) {
        if (ops[i].h.kind == OP_SYNC) synced = i;
        commits += ops[i].h.durable;
    }
    for (int i = 0; i <= moment && i < n; i++) {
        int durable = i < synced || (ops[i].h.durable && i < moment),
            odd = variant > 1 && variant % 2;
        if (!durable && variant == 1) continue;
        if (!durable && variant > 1 && !odd && rnd(&state) & 1) continue;
        apply(f, &ops[i], !durable && odd, &state);
    }
    return commits;
}

int main(int argc, char **argv)
{
    struct op *ops;
    if (argc != 3 && argc != 6) ptd_die(PTD_USAGE, "expected RECORD BASE [MOMENT VARIANT OUT]");
    struct image record = read_file(argv[1]), f = read_file(argv[2]);
    int n = parse(&record, &ops);
    if (argc == 3) {
        printf("%d\n", n + 1);
        return 0;
    }
    printf("%d\n", build(&f, ops, n, atoi(argv[3]), atoi(argv[4])));
    FILE *out = fopen(argv[5], "wb");
    if (!out || fwrite(f.data, 1, f.size, out) != f.size || fclose(out))
        ptd_die(PTD_IOERR, "%s:", argv[5]);
    free(ops);
    free(record.data);
    free(f.data);
    return 0;
}
