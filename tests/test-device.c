/* test-device: what is asked of devices themselves: names, memory, faults, two of them at a time;
 * that nobody can touch the memory of the strict one; and what bfloat16 costs. What operations
 * compute is test-ops.c's. */
#include "tiny.h"
#include "test.h"
#include "base/threads.h"
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
        cmocka_unit_test(machines_say_who_gives_other_bits),
    };
    ptd_program("test-device");
    ptd_threads_start(1);
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
