/* warp: what the functions of a warp do, by the last of its lanes that comes. */
#include "engine.h"

template <class T> static T &brought(int rank)
{
    return *(T *)sim_thread_of(rank).brings;
}

/* ---- shuffles and votes ---- */

struct shuffle {
    unsigned char in[8], *out;
    int from;
    size_t size;
};

/* What a lane outside of the mask would bring is undefined. */
static void shuffle_all(int warp, unsigned mask)
{
    for (int l = 0; l < 32; l++) {
        if (!(mask >> l & 1)) continue;
        shuffle &s = brought<shuffle>(warp + l);
        if (mask >> s.from & 1)
            memcpy(s.out, brought<shuffle>(warp + s.from).in, s.size);
        else
            memset(s.out, 0xff, s.size);
    }
}

void sim_shuffle(unsigned mask, int from, const void *in, void *out, size_t size)
{
    shuffle s = {{0}, (unsigned char *)out, from & 31, size};
    memcpy(s.in, in, size);
    sim_meet_warp(HERE, "a shuffle", mask, &s, shuffle_all);
}

struct vote {
    int yes;
    unsigned all;
};

static void count_votes(int warp, unsigned mask)
{
    unsigned all = 0;
    for (int l = 0; l < 32; l++)
        if (mask >> l & 1 && brought<vote>(warp + l).yes) all |= 1u << l;
    for (int l = 0; l < 32; l++)
        if (mask >> l & 1) brought<vote>(warp + l).all = all;
}

unsigned __ballot_sync(unsigned mask, int predicate)
{
    vote v = {predicate, 0};
    sim_meet_warp(HERE, "a vote", mask, &v, count_votes);
    return v.all;
}

/* ---- atomics ---- */

template <class T, class F> static T atomic(const void *site, T *p, F f)
{
    watch_access(site, p, sizeof *p, 1, 1);
    if (sim_stopped) sim_give_up();
    T old = *p;
    *p = f(old);
    return old;
}
int atomicAdd(int *p, int x)
{
    return atomic(HERE, p, [=](int y) { return y + x; });
}
unsigned atomicAdd(unsigned *p, unsigned x)
{
    return atomic(HERE, p, [=](unsigned y) { return y + x; });
}
unsigned long long atomicAdd(unsigned long long *p, unsigned long long x)
{
    return atomic(HERE, p, [=](unsigned long long y) { return y + x; });
}
int atomicMax(int *p, int x)
{
    return atomic(HERE, p, [=](int y) { return max(x, y); });
}
unsigned atomicMax(unsigned *p, unsigned x)
{
    return atomic(HERE, p, [=](unsigned y) { return max(x, y); });
}
unsigned long long atomicMax(unsigned long long *p, unsigned long long x)
{
    return atomic(HERE, p, [=](unsigned long long y) { return max(x, y); });
}
int atomicMin(int *p, int x)
{
    return atomic(HERE, p, [=](int y) { return min(x, y); });
}
unsigned atomicMin(unsigned *p, unsigned x)
{
    return atomic(HERE, p, [=](unsigned y) { return min(x, y); });
}
unsigned atomicOr(unsigned *p, unsigned x)
{
    return atomic(HERE, p, [=](unsigned y) { return x | y; });
}

/* ---- mma ---- */

static float half_of(uint32_t pair, int upper)
{
    return __uint_as_float(upper ? pair & 0xffff0000u : pair << 16);
}

struct fragments {
    float *d;
    const uint32_t *a;
    uint32_t b[2];
};

/* Number e (0 or 1) of register i of lane 4 g + t; gpu.h says where it belongs. */
static void multiply(int warp, unsigned)
{
    float A[16][16], B[16][8], D[16][8];
    for (int l = 0; l < 32; l++) {
        const fragments &f = brought<fragments>(warp + l);
        int g = l >> 2, t = (l & 3) << 1;
        for (int e = 0; e < 2; e++) {
            for (int i = 0; i < 4; i++)
                A[g + (i & 1) * 8][t + e + (i >> 1) * 8] = half_of(f.a[i], e);
            for (int i = 0; i < 2; i++) B[t + e + i * 8][g] = half_of(f.b[i], e);
            for (int i = 0; i < 2; i++) D[g + i * 8][t + e] = f.d[2 * i + e];
        }
    }
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < 16; k++)
            for (int c = 0; c < 8; c++) D[r][c] += A[r][k] * B[k][c];
    for (int l = 0; l < 32; l++)
        for (int i = 0; i < 4; i++)
            brought<fragments>(warp + l).d[i] =
                D[(l >> 2) + (i >> 1) * 8][((l & 3) << 1) + (i & 1)];
}

void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    fragments f = {d, a, {b0, b1}};
    sim_meet_warp(HERE, "mma", 0xffffffffu, &f, multiply);
}

/* ---- ldmatrix ---- */

struct row_of {
    const uint16_t *row;
    uint32_t *r;
    const void *site;
};

/* Each row is read for the four lanes that get it; one of them answers for the access. */
static void watch_rows(int warp, int transposed)
{
    int me = sim_rank;
    for (int l = 0; l < 32; l++) {
        const row_of &x = brought<row_of>(warp + l);
        sim_rank = warp + (transposed ? l % 8 / 2 : l % 8 * 4);
        watch_access(x.site, x.row, 16, 0, 0);
    }
    sim_rank = me;
}

static void load_rows(int warp, int transposed)
{
    watch_rows(warp, transposed);
    for (int l = 0; l < 32 && !sim_stopped; l++)
        for (int i = 0; i < 4; i++) {
            uint32_t both = 0;
            for (int e = 0; e < 2; e++) {
                int along = (l & 3) * 2 + e, row = transposed ? along : l >> 2,
                    column = transposed ? l >> 2 : along;
                both |= (uint32_t)brought<row_of>(warp + i * 8 + row).row[column] << 16 * e;
            }
            brought<row_of>(warp + l).r[i] = both;
        }
}
static void load_straight(int warp, unsigned)
{
    load_rows(warp, 0);
}
static void load_turned(int warp, unsigned)
{
    load_rows(warp, 1);
}

static void load_matrix(const void *site, uint32_t *r, const void *row, sim_together *all)
{
    row_of x = {(const uint16_t *)row, r, site};
    if ((size_t)((const unsigned char *)row - sim_arena) >= sim_arena_size)
        sim_fault(site, "ldmatrix from what is not shared memory");
    sim_meet_warp(site, all == load_turned ? "ldmatrix.trans" : "ldmatrix", 0xffffffffu, &x, all);
}
void load_matrix_x4(uint32_t (&r)[4], const void *row)
{
    load_matrix(HERE, r, row, load_straight);
}
void load_matrix_x4_transposed(uint32_t (&r)[4], const void *row)
{
    load_matrix(HERE, r, row, load_turned);
}
