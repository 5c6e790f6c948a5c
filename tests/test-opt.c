/* Options: what is accepted, what is refused and in which words, and a help page with real
 * defaults. Leaves to programs: their own tables. */
#include "child.h"
#include "base/command.h"
#include "base/err.h"
#include "base/opt.h"
#include "test.h"

static struct {
    int k, flag, on, talk;
    double tau;
    const char *store;
    int64_t n;
    struct ptd_opt_list names;
} opt;

static const struct ptd_opt options[] = {
    {"store", 's', PTD_OPT_STR, &opt.store, "DIR", "run directory", 0, 0},
    {"top-k", 'k', PTD_OPT_INT, &opt.k, "N", "support", 1, 4096},
    {"tau", 0, PTD_OPT_DOUBLE, &opt.tau, "X", "threshold", 0, 1},
    {"number", 'n', PTD_OPT_LONG, &opt.n, "N", "any number", 0, 0},
    {"flag", 'f', PTD_OPT_FLAG, &opt.flag, NULL, "a flag", 0, 0},
    {"on", 0, PTD_OPT_FLAG, &opt.on, NULL, "a flag that is on", 0, 0},
    {"talk", 0, PTD_OPT_FLAG, &opt.talk, NULL, "says more", 0, 0, 1},
    {"name", 0, PTD_OPT_LIST, &opt.names, "NAME", "a name, as often as wanted", 0, 0},
    {0}};
static const struct ptd_usage usage = {"ptd-test", "[FILE]", "test options",
                                       "ptd-test < a\nptd-test b", options};

struct words {
    int n;
    const char *w[8];
};

static int parse(void *ctx)
{
    struct words *in = ctx;
    char *argv[10] = {"ptd-test"};
    opt = (typeof(opt)){.k = 16, .on = 1, .tau = 0.5, .n = 5};
    for (int i = 0; i < in->n; i++) argv[i + 1] = (char *)in->w[i];
    int first = ptd_opt_parse(&usage, in->n + 1, argv);
    printf("%d %g %s %lld %d %d:", opt.k, opt.tau, opt.store ? opt.store : "-", (long long)opt.n,
           opt.flag, opt.on);
    for (int i = first; i <= in->n; i++) printf(" %s", argv[i]);
    return 0;
}

static void gives(struct words in, const char *out)
{
    struct child c;
    child_run(&c, parse, &in, "", 0);
    assert_string_equal(c.err, "");
    assert_string_equal(c.out, out);
    assert_int_equal(c.status, 0);
    free(c.out);
}

static void refuses(struct words in, const char *why)
{
    struct child c;
    char wanted[400];
    snprintf(wanted, sizeof wanted, "ptd-test: %s; try ptd-test --help\n", why);
    child_run(&c, parse, &in, "", 0);
    assert_string_equal(c.err, wanted);
    assert_string_equal(c.out, "");
    assert_int_equal(c.status, PTD_USAGE);
    free(c.out);
}

#define W(...)                                                                                     \
    ((struct words){sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), {__VA_ARGS__}})

static void test_accepted(void **state)
{
    (void)state;
    gives((struct words){0}, "16 0.5 - 5 0 1:");
    gives(W("-k", "4k"), "4000 0.5 - 5 0 1:");
    gives(W("--top-k=2Ki", "a", "-f", "b"), "2048 0.5 - 5 1 1: a b");
    gives(W("--tau", "1e-3", "--no-on", "-s", "d"), "16 0.001 d 5 0 0:");
    gives(W("-n-3G", "--", "-f"), "16 0.5 - -3000000000 0 1: -f");
    gives(W("--num", "1Gi", "-f", "--no-flag"), "16 0.5 - 1073741824 0 1:");
    gives(W("-q", "-"), "16 0.5 - 5 0 1: -");
}

static void test_refused(void **state)
{
    (void)state;
    refuses(W("-k", "4097"), "option --top-k: 4097 is out of range, expected 1 to 4096");
    refuses(W("-k", "5k"), "option --top-k: 5k is out of range, expected 1 to 4096");
    refuses(W("-k", "99999999999999999999"),
            "option --top-k: 99999999999999999999 is out of range, expected 1 to 4096");
    refuses(W("-n", "9223372036854775807k"),
            "option --number: 9223372036854775807k is out of range, expected "
            "-9223372036854775808 to 9223372036854775807");
    refuses(W("-k", "0x10"),
            "option --top-k: \"0x10\" is not a whole number (suffixes k M G T Ki Mi Gi Ti)");
    refuses(W("-k", ""),
            "option --top-k: \"\" is not a whole number (suffixes k M G T Ki Mi Gi Ti)");
    refuses(W("-k", "1.5"),
            "option --top-k: \"1.5\" is not a whole number (suffixes k M G T Ki Mi Gi Ti)");
    refuses(W("--tau", "nan"), "option --tau: \"nan\" is not a finite number");
    refuses(W("--tau", "1.5"), "option --tau: 1.5 is out of range, expected 0 to 1");
    refuses(W("--tau"), "option --tau needs an argument");
    refuses(W("-f", "--t", "3"), "ambiguous option --t");
    refuses(W("--nope"), "unknown option --nope");
    refuses(W("-fz"), "unknown option -z");
    refuses(W("--flag=3"), "option --flag=3 takes no argument");
}

static void test_help(void **state)
{
    (void)state;
    /* --tau before --help: the defaults shown are those of the program, not of this command line.
     */
    gives(W("--tau", "0.75", "--help"),
          "usage: ptd-test [options] [FILE]\n"
          "test options\n"
          "  ptd-test < a\n"
          "  ptd-test b\n"
          "  -s, --store DIR             run directory\n"
          "  -k, --top-k N               support (default 16)\n"
          "      --tau X                 threshold (default 0.5)\n"
          "  -n, --number N              any number (default 5)\n"
          "  -f, --flag                  a flag\n"
          "      --[no-]on               a flag that is on (default on)\n"
          "      --talk                  says more\n"
          "      --name NAME             a name, as often as wanted\n"
          "      --options FILE          options by long name from a JSON object, or those of this "
          "program from one by program; the command line wins\n"
          "      --print-config          only print what all options are, as --options reads it\n"
          "      --describe              only print what --help says as JSON\n"
          "  -q, --quiet                 no closing line, no progress\n"
          "  -h, --help; -V, --version   this text; the version\n"
          "status: " PTD_STATUSES "\n");
    gives(W("-V"), "ptd-test (ptd) " PTD_VERSION "\n");
}

static int help_to_full_device(void *ctx)
{
    (void)ctx;
    if (!freopen("/dev/full", "w", stdout)) return 99;
    return parse(&W("--help"));
}

static void test_help_to_a_full_device(void **state)
{
    (void)state;
    struct child c;
    child_run(&c, help_to_full_device, NULL, "", 0);
    assert_int_equal(c.status, PTD_IOERR);
    assert_string_equal(c.err, "ptd-test: standard output: No space left on device\n");
    free(c.out);
}

static void test_command_line(void **state)
{
    (void)state;
    char *argv[] = {"/usr/bin/ptd-ref", "-k", "3", "it's a file", "", "a=b,c:d/e.f"};
    char *line = ptd_command_line(6, argv);
    assert_string_equal(line, "ptd-ref -k 3 'it'\\''s a file' '' a=b,c:d/e.f");
    free(line);
}

/* What these words decide, read after parsing. */
static int decide(void *ctx)
{
    parse(ctx);
    printf("\n%s", ptd_opt_decided());
    return 0;
}

static void decides(struct words in, const char *line)
{
    struct child c;
    child_run(&c, decide, &in, "", 0);
    assert_int_equal(c.status, 0);
    assert_string_equal(strchr(c.out, '\n') + 1, line);
    free(c.out);
}

static void test_decided(void **state)
{
    (void)state;
    decides(W("a.rec"), "ptd-test");
    decides(W("-q", "--talk", "-k16", "-"), "ptd-test");
    decides(W("--tau", "0.3", "-k4k"), "ptd-test --top-k 4000 --tau 0.3");
    decides(W("--top-k=4000", "--quiet", "--tau=3e-1"), "ptd-test --top-k 4000 --tau 0.3");
    decides(W("--tau", "0.1234567890123"), "ptd-test --tau 0.12345678901230001");
    decides(W("-s", "a b", "-f", "--no-on"), "ptd-test --store 'a b' --flag --no-on");
    decides(W("--name", "b/c", "-k4k", "--name=a b"),
            "ptd-test --top-k 4000 --name b/c --name 'a b'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_help),         cmocka_unit_test(test_help_to_a_full_device),
        cmocka_unit_test(test_command_line), cmocka_unit_test(test_decided),
    };
    return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
