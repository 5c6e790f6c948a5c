/* test-graphs: what is asked between record and play is one launch, to the bits of asking it piece
 * by piece; recordings of one bucket share an instance; whatever cannot be recorded is done all the
 * same; and the emulator sees what CUDA forbids meanwhile. */
#include "forms.hh"
#include "standin/cuda_runtime.h"

enum { MOST = 8, WIDE = 32, WORDS = 64, PAST = 96, STEPS = 24 };

/* ---- a step of decoding, in small ---- */

struct decoder {
    struct ptd_device *d;
    struct ptd_block rows;
    struct ptd_matrix table;
    ptd_num *gain, *x, *y, *keys, *values;
    ptd_int *ids, *slots;
    ptd_stat *z;
    struct ptd_attention_plan *plan;
    int32_t id[MOST];
    float logp[MOST];
};

static ptd_num *filled(struct ptd_device *d, uint64_t seed, long n)
{
    doubles x = normal(seed, n);
    floats f(x.begin(), x.end());
    ptd_num *p = (ptd_num *)d->ops->alloc(d, (size_t)n * d->num_size);
    d->ops->put_nums(d, p, f.data(), f.size());
    return p;
}

static struct decoder begun(void)
{
    struct decoder s = {};
    struct ptd_device *d = s.d = opened();
    s.rows = {filled(d, 1, WORDS * WIDE), WORDS};
    s.table = {NULL, 1, WORDS, WIDE, PTD_F32};
    s.gain = filled(d, 2, WIDE), s.x = filled(d, 3, MOST * WIDE), s.y = filled(d, 4, MOST * WIDE);
    s.keys = filled(d, 5, MOST * PAST * WIDE), s.values = filled(d, 6, MOST * PAST * WIDE);
    s.ids = (ptd_int *)d->ops->alloc(d, MOST * 4), s.slots = (ptd_int *)d->ops->alloc(d, MOST * 4);
    s.z = (ptd_stat *)d->ops->alloc(d, MOST * WORDS * 4);
    for (int i = 0; i < MOST; i++) s.id[i] = i + 1;
    return s;
}

static void ended(struct decoder *s)
{
    struct ptd_device *d = s->d;
    void *all[] = {const_cast<ptd_num *>(s->rows.at),
                   s->gain,
                   s->x,
                   s->y,
                   s->keys,
                   s->values,
                   s->ids,
                   s->slots,
                   s->z};
    d->ops->attention_plan_free(d, s->plan);
    for (void *p : all) d->ops->free(d, p);
    assert_int_equal(d->used, 0);
    close_device(d);
    assert_int_equal(sim_graphs, 0);
}

/* The lists of the host's are gone when it returns, as a program's would be. */
static void attend(struct decoder *s, int n, int past)
{
    struct ptd_device *d = s->d;
    std::vector<struct ptd_span> spans;
    int32_t slot[MOST];
    for (int i = 0; i < n; i++) spans.push_back({i, 1, i * (long)PAST, past, 0, 0});
    for (int i = 0; i < n; i++) slot[i] = i * PAST + past;
    struct ptd_attention a = {1, 1, WIDE, 1, WIDE, WIDE, WIDE, WIDE, spans.data(), n, NULL, 0, 0};
    d->ops->attention_plan_free(d, s->plan);
    s->plan = d->ops->attention_plan(d, &a);
    d->ops->put(d, s->slots, slot, (size_t)n * 4);
    d->ops->copy_rows(d, s->keys, WIDE, s->slots, s->y, WIDE, NULL, n, WIDE);
    d->ops->copy_rows(d, s->values, WIDE, s->slots, s->x, WIDE, NULL, n, WIDE);
    d->ops->attention(d, s->plan, s->x, NULL, s->y, s->keys, s->values);
}

/* The next word of each of n sequences of which so many are behind it. */
static void next(struct decoder *s, int n, int past)
{
    struct ptd_device *d = s->d;
    struct ptd_ask_draw ask = {};
    struct ptd_got_draw got = {};
    std::vector<double> u((size_t)n, 0.4);
    s->table.blocks = &s->rows;
    ask.rules.temperature = 1, ask.draws = 1, ask.u = u.data(), ask.top_p = 1;
    got.id = s->id, got.logp = s->logp;
    d->ops->put(d, s->ids, s->id, (size_t)n * 4);
    d->ops->gather(d, s->x, &s->table, s->ids, n);
    d->ops->rmsnorm(d, s->y, NULL, s->x, s->gain, n, WIDE, 1e-6f);
    attend(s, n, past);
    d->ops->logits(d, s->z, s->x, &s->table, n);
    d->ops->rows_draw(d, s->z, n, WORDS, &ask, &got);
}

static int lines_at(int step)
{
    return step < 9 ? 8 : step < 17 ? 5 + step % 2 : 3;
}

typedef std::vector<char> bits;

static void note(bits &all, const struct decoder *s, int n)
{
    all.insert(all.end(), (const char *)s->id, (const char *)(s->id + n));
    all.insert(all.end(), (const char *)s->logp, (const char *)(s->logp + n));
}

/* ---- tests ---- */

static void a_step_is_one_launch_of_the_same_bits(void **state)
{
    for (sim_order = 0; sim_order < (quick ? 1 : 3); sim_order++)
        for (sim_late = 0; sim_late < 2; sim_late++) {
            bits all[2];
            long updated = sim_updated, instantiated = sim_instantiated, launched = sim_launched;
            for (int records = 0; records < 2; records++) {
                struct decoder s = begun();
                for (int step = 0; step < STEPS; step++) {
                    int n = lines_at(step);
                    if (records) s.d->ops->record(s.d, n);
                    long asked = sim_asked, before = sim_launched;
                    next(&s, n, 10 + step);
                    if (records) s.d->ops->play(s.d);
                    look_at_faults(s.d);
                    if (sim_launched > before) assert_int_equal(sim_asked - asked, 1);
                    note(all[records], &s, n);
                }
                ended(&s);
            }
            assert_true(all[0] == all[1]);
            assert_int_equal(sim_launched - launched, STEPS - 2); /* the first of each bucket */
            assert_int_equal(sim_instantiated - instantiated, 2);
            assert_int_equal(sim_updated - updated, STEPS - 4);
        }
    sim_order = sim_late = 0;
}

/* Memory, waiting and a fetch in the middle; memory for operations that grows. */
static void what_cannot_be_recorded_is_done(void **state)
{
    bits all[2];
    for (int records = 0; records < 2; records++) {
        struct decoder s = begun();
        for (int step = 0; step < 6; step++) {
            if (records) s.d->ops->record(s.d, 8);
            next(&s, 8, 10 + step);
            void *p = step == 2 ? s.d->ops->alloc(s.d, 4000) : NULL;
            if (step == 3) s.d->ops->wait(s.d);
            float seen = 0;
            if (step == 4) s.d->ops->get_nums(s.d, &seen, s.x, 1);
            note(all[records], &s, step == 2 || step == 3 || step == 4 ? 8 : 0);
            s.d->ops->add(s.d, s.x, s.y, WIDE);
            if (records) s.d->ops->play(s.d);
            if (p) s.d->ops->free(s.d, p);
            s.d->ops->get_nums(s.d, &seen, s.x, 1);
            all[records].insert(all[records].end(), (char *)&seen, (char *)(&seen + 1));
            look_at_faults(s.d);
            note(all[records], &s, 8);
        }
        ended(&s);
    }
    assert_true(all[0] == all[1]);
}

/* Within a bucket, but with memory for operations that is too small. */
static void memory_for_operations_may_grow(void **state)
{
    struct ptd_device *d = opened();
    float *host = (float *)calloc(60000, 4);
    ptd_num *x = (ptd_num *)d->ops->alloc(d, 60000 * d->num_size);
    for (int i = 0; i < 60000; i++) host[i] = (float)(i % 128);
    for (int n : {100, 200, 60000, 60000}) {
        d->ops->record(d, 4);
        d->ops->put_nums(d, x, host, (size_t)n);
        d->ops->add(d, x, x, n);
        d->ops->play(d);
        floats back((size_t)n);
        d->ops->get_nums(d, back.data(), x, (size_t)n);
        look_at_faults(d);
        for (int i = 0; i < n; i++) assert_float_equal(back[(size_t)i], 2 * host[i], 0);
    }
    free(host);
    d->ops->free(d, x);
    close_device(d);
    assert_int_equal(sim_graphs, 0);
}

/* The rules of a recording: what breaks one is a fault, and the recording is good for nothing. */
static void what_cuda_forbids_is_seen(void **state)
{
    static const char *const words[] = {"memory is asked for", "memory is freed",
                                        "a stream is waited for", "memory that is not pinned",
                                        "memory that is not pinned"};
    cudaStream_t s;
    void *p, *q;
    int on_stack = 0;
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    for (int i = 0; i < 5; i++) {
        cudaGraph_t g;
        long faults = sim_faults;
        cudaMalloc(&p, 64);
        assert_int_equal(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), 0);
        *sim_last = 0;
        int status = i == 0   ? cudaMalloc(&q, 64)
                     : i == 1 ? cudaFree(p)
                     : i == 2 ? cudaStreamSynchronize(s)
                     : i == 3 ? cudaMemcpyAsync(p, &on_stack, 4, cudaMemcpyHostToDevice, s)
                              : cudaMemcpyAsync(&on_stack, p, 4, cudaMemcpyDeviceToHost, s);
        assert_int_equal(status, cudaErrorStreamCaptureUnsupported);
        assert_non_null(strstr(sim_last, words[i]));
        assert_int_equal(sim_faults, faults + 1);
        assert_int_equal(cudaStreamEndCapture(s, &g), cudaErrorStreamCaptureInvalidated);
        assert_null(g);
        cudaFree(p);
    }
    cudaStreamDestroy(s);
    *sim_last = 0;
    cudaGetLastError();
    assert_int_equal(sim_graphs, 0);
}

/* An instance does not become one of other kinds. */
static void other_kinds_of_nodes_are_another_instance(void **state)
{
    cudaStream_t s;
    cudaGraph_t g[2];
    cudaGraphExec_t exec;
    cudaGraphExecUpdateResultInfo info;
    void *p;
    cudaMalloc(&p, 64);
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    for (int i = 0; i < 2; i++) {
        cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
        cudaMemsetAsync(p, i + 1, 64, s);
        if (i) cudaMemcpyAsync(p, p, 4, cudaMemcpyDeviceToDevice, s);
        assert_int_equal(cudaStreamEndCapture(s, &g[i]), 0);
    }
    assert_int_equal(cudaGraphInstantiate(&exec, g[0], 0), 0);
    assert_int_equal(cudaGraphExecUpdate(exec, g[0], &info), 0);
    assert_int_equal(cudaGraphExecUpdate(exec, g[1], &info), cudaErrorGraphExecUpdateFailure);
    assert_int_equal(cudaGraphLaunch(exec, s), 0);
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(g[0]), cudaGraphDestroy(g[1]);
    unsigned char first = 0;
    cudaMemcpyAsync(&first, p, 1, cudaMemcpyDeviceToHost, s);
    cudaStreamSynchronize(s);
    assert_int_equal(first, 1);
    cudaStreamDestroy(s);
    cudaFree(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_one_launch_of_the_same_bits),
        cmocka_unit_test(what_cannot_be_recorded_is_done),
        cmocka_unit_test(memory_for_operations_may_grow),
        cmocka_unit_test(what_cuda_forbids_is_seen),
        cmocka_unit_test(other_kinds_of_nodes_are_another_instance),
    };
    return run_on_both(tests, sizeof tests / sizeof *tests);
}
