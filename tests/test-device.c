/* test-device: what is asked of devices themselves: names, memory, faults, two of them at a time;
 * that each computes and one more can be added; that nobody can touch the memory of the strict one;
 * and what bfloat16 costs. What operations compute is test-ops.c's. */
#include "tiny.h"
#include "host-ops.h"
#include "test.h"
#include "base/dtype.h"
#include "base/threads.h"
#include "compute/cpu/floats.h"
#include "compute/drivers.h"
#include "compute/fingerprint.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ptd_device *open_device(const char *name)
{
    struct ptd_device *d = ptd_device_open(name);
    if (!d) ptd_die_last();
    return d;
}

static void unknown_names(void **state)
{
    (void)state;
    assert_null(ptd_device_open("tpu"));
    assert_int_equal(ptd_failed_status(), PTD_USAGE);
    for (int i = 0; ptd_device_name(i); i++)
        assert_non_null(strstr(ptd_failed_message(), ptd_device_name(i)));
    assert_int_equal(ptd_device_check("cpu:0"), -1);
    assert_int_equal(ptd_device_check("strict"), 0);
}

static void the_environment_names_one(void **state)
{
    const char *was = getenv("PTD_DEVICE");
    char *kept = was ? ptd_strdup(was) : NULL;
    struct ptd_device *d;
    (void)state;
    setenv("PTD_DEVICE", "strict", 1);
    assert_string_equal((d = open_device(NULL))->name, "strict");
    ptd_device_close(d);
    assert_string_equal((d = open_device("cpu"))->name, "cpu");
    ptd_device_close(d);
    setenv("PTD_DEVICE", "", 1);
    assert_string_equal((d = open_device(NULL))->name, "cpu");
    ptd_device_close(d);
    setenv("PTD_DEVICE", "none", 1);
    assert_null(ptd_device_open(NULL));
    unsetenv("PTD_DEVICE");
    if (kept) setenv("PTD_DEVICE", kept, 1);
    free(kept);
}

static void the_first_fault_stays(void **state)
{
    struct ptd_device *d = open_device("cpu");
    (void)state;
    assert_int_equal(ptd_device_wait(d), 0);
    ptd_device_blame(d, PTD_IOERR, "fell off %d", 1);
    ptd_device_blame(d, PTD_OSERR, "then this");
    assert_int_equal(ptd_device_wait(d), -1);
    assert_int_equal(ptd_failed_status(), PTD_IOERR);
    assert_string_equal(ptd_failed_message(), "device cpu: fell off 1");
    assert_int_equal(ptd_device_wait(d), 0); /* and is told once */
    ptd_device_close(d);
}

/* ---- strict ---- */

/* The signal that a child gets from looking at the first byte. */
static int signal_of_reading(const void *p)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        _exit(*(const volatile char *)p);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void the_host_cannot_look(void **state)
{
    struct ptd_device *cpu = open_device("cpu"), *strict = open_device("strict");
    ptd_num *a = ptd_device_nums(cpu, 100, "test"), *b = ptd_device_nums(strict, 100, "test");
    (void)state;
    assert_int_equal(signal_of_reading(a), 0);
    assert_true(signal_of_reading(b) != 0);
    assert_true(signal_of_reading(ptd_at(strict, b, 99)) != 0);
    ptd_device_free(cpu, a);
    ptd_device_free(strict, b);
    ptd_device_close(cpu);
    ptd_device_close(strict);
}

static void memory_of_the_host_is_a_fault(void **state)
{
    struct ptd_device *d = open_device("strict");
    float x[4] = {1, 2, 3, 4};
    ptd_num *a = ptd_device_nums(d, 4, "test");
    (void)state;
    d->ops->put_nums(d, a, x, 4);
    assert_int_equal(ptd_device_wait(d), 0);
    d->ops->add(d, a, (const ptd_num *)(const void *)x, 4);
    assert_int_equal(ptd_device_wait(d), -1);
    assert_int_equal(ptd_failed_status(), PTD_BUG);
    ptd_device_free(d, a);
    ptd_device_close(d);
}

/* ---- networks ---- */

/* The hidden rows [22, 40] of the tiny model on d, and its gradient [n_weights], malloc'd. */
static float *run(struct ptd_device *d, float **gradient)
{
    struct ptd_device *kept = chosen_device;
    struct ptd_picture p[2] = {tiny_picture(0), tiny_picture(1)};
    chosen_device = d;
    struct ptd_model *m = tiny_model(1);
    struct ptd_batch *b = ptd_batch_new(m);
    long n = 22 * m->config.hidden;
    float *dhidden = ptd_array(n, sizeof *dhidden), *hidden;
    for (long i = 0; i < n; i++) dhidden[i] = (float)tiny_uniform("dhidden", i);
    assert_int_equal(ptd_batch_prompt(b, tiny_ids, 22, p, 2), 0);
    ptd_model_train(m);
    ptd_forward(m, b);
    hidden = read_nums(d, ptd_batch_hidden(b), n);
    ptd_backward(m, b, in_nums(dhidden, n));
    back();
    *gradient = tiny_gradients(m);
    ptd_batch_free(b);
    ptd_model_free(m);
    free(dhidden);
    for (int i = 0; i < 2; i++) free((void *)p[i].pixels);
    chosen_device = kept;
    return hidden;
}

static void strict_gives_the_same_bits_beside_the_cpu(void **state)
{
    struct ptd_device *cpu = open_device("cpu"), *strict = open_device("strict");
    float *g[2], *x = run(cpu, &g[0]), *y = run(strict, &g[1]);
    (void)state;
    assert_memory_equal(x, y, 22 * 40 * sizeof *x);
    assert_memory_equal(g[0], g[1], 146688 * sizeof *g[0]);
    assert_int_equal(cpu->used, 0);
    assert_int_equal(strict->used, 0);
    free(x), free(y), free(g[0]), free(g[1]);
    ptd_device_close(cpu);
    ptd_device_close(strict);
}

static double apart(const float *x, const float *y, long n)
{
    double off = 0, all = 0;
    for (long i = 0; i < n; i++) {
        off += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        all += (double)x[i] * x[i];
    }
    return sqrt(off / all);
}

/* bfloat16 keeps 8 bits: relative errors of a fortieth here, not of a tenth, and not of nothing. */
static void bf16_costs_what_it_must(void **state)
{
    struct ptd_device *cpu = open_device("cpu"), *half = open_device("strict:bf16");
    float *g[2], *x = run(cpu, &g[0]), *y = run(half, &g[1]);
    double rows = apart(x, y, 22 * 40), gradients = apart(g[0], g[1], 146688);
    (void)state;
    if (!(rows > 1e-3 && rows < 4e-2)) fail_msg("hidden rows are apart by %g", rows);
    if (!(gradients > 1e-3 && gradients < 0.1)) fail_msg("gradients are apart by %g", gradients);
    free(x), free(y), free(g[0]), free(g[1]);
    ptd_device_close(cpu);
    ptd_device_close(half);
}

/* ---- every device ---- */

/* Small whole numbers, which every format holds. */
static void whole(float *x, int n, int step)
{
    for (int i = 0; i < n; i++) x[i] = (float)(i * step % 5 - 2);
}

static void whole_numbers_are_exact(void)
{
    static const int32_t ids[] = {5, 0, 5};
    float x[3 * 8], w[6 * 8], y[3 * 6], picked[3 * 8], square[] = {3, -4};
    whole(x, 24, 3);
    whole(w, 48, 7);
    host_linear(y, x, w, NULL, NULL, 3, 8, 6);
    for (int i = 0; i < 18; i++) {
        float want = 0;
        for (int c = 0; c < 8; c++) want += x[i / 6 * 8 + c] * w[i % 6 * 8 + c];
        assert_true(y[i] == want);
    }
    host_gather(picked, w, ids, 3, 8);
    host_add(x, picked, 24);
    for (int i = 0; i < 24; i++) assert_true(x[i] == i * 3 % 5 - 2 + w[ids[i / 8] * 8 + i % 8]);
    assert_true(host_norm(square, PTD_NUMS, 2) == 5);
}

/* Operations one by one, then a network there and back, beside the CPU's. */
static void every_device_computes(void **state)
{
    struct ptd_device *cpu = open_device("cpu"), *kept = chosen_device;
    float *g[2], *x = run(cpu, &g[0]);
    (void)state;
    for (int i = 0; ptd_device_name(i); i++) {
        if (!open_row(i)) continue;
        struct ptd_device *d = chosen_device;
        int rounds = d->num != PTD_F32 || strstr(d->name, "bf16");
        whole_numbers_are_exact();
        float *y = run(d, &g[1]);
        double rows = apart(x, y, 22 * 40), gradients = apart(g[0], g[1], 146688);
        if (!(rows < (rounds ? 0.04 : 1e-5) && gradients < (rounds ? 0.1 : 1e-5)))
            fail_msg("%s is apart by %g, gradients by %g", d->name, rows, gradients);
        assert_int_equal(d->used, 0);
        free(y), free(g[1]);
        ptd_device_close(d);
    }
    chosen_device = kept;
    free(x), free(g[0]);
    ptd_device_close(cpu);
}

/* ---- one more device ---- */

/* The CPU behind memory that the host does not take for its own; one operation written anew, one
 * that counts its calls. */
struct counting {
    struct ptd_device *cpu;
    struct ptd_ops ops;
    int linears, gathers;
};

static void counting_linear(struct ptd_device *d, ptd_num *Y, const ptd_num *X,
                            const struct ptd_matrix *W, const ptd_num *b, const ptd_num *residual,
                            long n)
{
    struct counting *c = d->own;
    c->linears++;
    c->cpu->ops->linear(c->cpu, Y, X, W, b, residual, n);
}

static void counting_gather(struct ptd_device *d, ptd_num *y, const struct ptd_matrix *table,
                            const ptd_int *ids, long n)
{
    struct counting *c = d->own;
    c->gathers++;
    long w = table->cols;
    for (long i = 0; i < n * w; i++)
        FLOATS(y)[i] = FLOATS(table->blocks->at)[(long)INTS(ids)[i / w] * w + i % w];
}

static void counting_close(struct ptd_device *d)
{
    struct counting *c = d->own;
    ptd_device_close(c->cpu);
    free(c);
}

static int counting_open(struct ptd_device *d)
{
    struct counting *c = ptd_alloc(sizeof *c);
    c->cpu = open_device("cpu");
    c->ops = *c->cpu->ops;
    c->ops.linear = counting_linear;
    c->ops.gather = counting_gather;
    c->ops.close = counting_close;
    d->ops = &c->ops;
    d->num = c->cpu->num, d->acc = c->cpu->acc;
    d->own = c;
    return 0;
}

static int absent_open(struct ptd_device *d)
{
    ptd_fail(PTD_UNAVAILABLE, "device %s is not there", d->name);
    return -1;
}

/* A table of operations and the function that opens it: all that it takes to compute on it. */
static void one_more_is_a_driver(void **state)
{
    static const struct ptd_driver counting = {"counting", counting_open},
                                   absent = {"absent", absent_open};
    struct ptd_device *cpu = open_device("cpu"), *d = ptd_device_open_with(&counting);
    float *g[2], *x = run(cpu, &g[0]), *y;
    (void)state;
    assert_non_null(d);
    assert_string_equal(d->name, "counting");
    y = run(d, &g[1]);
    assert_memory_equal(x, y, 22 * 40 * sizeof *x);
    assert_memory_equal(g[0], g[1], 146688 * sizeof *g[0]);
    assert_true(((struct counting *)d->own)->linears > 20);
    assert_true(((struct counting *)d->own)->gathers > 0);
    assert_int_equal(d->used, 0);
    free(x), free(y), free(g[0]), free(g[1]);
    ptd_device_close(d);
    ptd_device_close(cpu);
    assert_null(ptd_device_open_with(&absent));
    assert_int_equal(ptd_failed_status(), PTD_UNAVAILABLE);
}

static void machines_say_who_gives_other_bits(void **state)
{
    const char *names[] = {"cpu", "strict", "strict:bf16"};
    char *words[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct ptd_device *d = open_device(names[i]);
        words[i] = ptd_machine(d);
        ptd_device_close(d);
    }
    assert_string_equal(words[0], words[1]);
    assert_string_not_equal(words[0], words[2]);
    for (int i = 0; i < 3; i++) free(words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(the_environment_names_one),
        cmocka_unit_test(the_first_fault_stays),
        cmocka_unit_test(the_host_cannot_look),
        cmocka_unit_test(memory_of_the_host_is_a_fault),
        cmocka_unit_test(strict_gives_the_same_bits_beside_the_cpu),
        cmocka_unit_test(bf16_costs_what_it_must),
        cmocka_unit_test(every_device_computes),
        cmocka_unit_test(one_more_is_a_driver),
        cmocka_unit_test(machines_say_who_gives_other_bits),
    };
    ptd_program("test-device");
    ptd_threads_start(1);
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
