/* Tokenizer by hand: how fast, and whether a large file of vectors agrees.
 *     gcc -std=gnu11 -O2 -D_GNU_SOURCE -Ilib -Itests -o build/bench-token tests/bench-token.c
 *         build/cpu/libptd.a \
 *         $(pkg-config --libs libpcre2-8 libutf8proc jansson libxxhash zlib) -lm
 *     bench-token load    TOKENIZER ROUNDS seconds to read tokenizer.json (.gz or not; unpacking
 *                         not counted)
 *     bench-token encode  TOKENIZER TEXT ROUNDS  seconds to encode a file, median of ROUNDS
 *     bench-token lines   TOKENIZER TEXT ROUNDS  the same, line by line
 *     bench-token worst   TOKENIZER seconds for 1 MiB each of texts that are hard to encode
 *     bench-token compare TOKENIZER VECTORS differences from what make-token-vectors.py --many
 *         wrote
 * bench-token.py runs it beside the `tokenizers` library. */
#include <time.h>
#include "token-vectors.h"

#define MIB (1 << 20)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static char *read_or_die(const char *path, size_t *len)
{
    char *text = read_gz(path, len);
    if (!text) ptd_die(PTD_NOINPUT, "cannot read %s", path);
    return text;
}

/* Ids of a text, as one or line by line. */
static size_t encode(const struct ptd_tokenizer *t, const char *text, size_t len, int by_line)
{
    size_t total = 0;
    while (len) {
        const char *end = by_line ? memchr(text, '\n', len) : NULL;
        size_t n = end ? (size_t)(end + 1 - text) : len;
        int32_t *ids;
        int count = ptd_tokenizer_encode(t, text, n, &ids);
        if (count < 0) ptd_die_last();
        free(ids);
        total += count, text += n, len -= n;
    }
    return total;
}

static void time_encode(const struct ptd_tokenizer *t, const char *path, int rounds, int by_line)
{
    size_t len, n = 0;
    char *text = read_or_die(path, &len);
    double *s = ptd_array(rounds, sizeof *s);
    for (int i = 0; i < rounds; i++) {
        double start = now();
        n = encode(t, text, len, by_line);
        s[i] = now() - start;
    }
    qsort(s, rounds, sizeof *s, by_value);
    printf("%.6f %zu\n", s[rounds / 2], n);
    free(s);
    free(text);
}

static void time_load(const char *path, int rounds)
{
    size_t len;
    char *json = read_or_die(path, &len);
    double *s = ptd_array(rounds, sizeof *s);
    for (int i = 0; i < rounds; i++) {
        double start = now();
        struct ptd_tokenizer *t = ptd_tokenizer_new(json, len, path);
        if (!t) ptd_die_last();
        s[i] = now() - start;
        ptd_tokenizer_free(t);
    }
    qsort(s, rounds, sizeof *s, by_value);
    printf("%.6f\n", s[rounds / 2]);
    free(s);
    free(json);
}

static void time_worst(const struct ptd_tokenizer *t)
{
    static const char *const units[] = {"a",
                                        " ",
                                        "7",
                                        "\n",
                                        "\t",
                                        "=",
                                        "'",
                                        "\xE4\xB8\xAD",
                                        "\xF0\x9F\x98\x80",
                                        "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA6",
                                        "\xCC\x81",
                                        "\xCC\x81\xCC\x96",
                                        "e\xCC\x81",
                                        "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8",
                                        "\xE0\xA4\x95\xE0\xA4\xBC",
                                        "\xC2\xA0",
                                        " \n",
                                        " \t",
                                        "\n ",
                                        "ab",
                                        "the",
                                        " the",
                                        "abcdefghijklmnopqrstuvwxyz",
                                        "aA1 ",
                                        "'s",
                                        "'l",
                                        "<|im_start|>",
                                        "<|im_start|",
                                        "<",
                                        "\x01",
                                        "\xF0\x93\x91\xA0",
                                        "\xE1\xB2\x89",
                                        "\xF4\x8F\xBF\xBF",
                                        "x1",
                                        "!?",
                                        "\xEF\xB7\xBA",
                                        "aaaaaaaab"};
    char *text = ptd_alloc(MIB);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t k = strlen(units[i]), n = MIB / k * k;
        for (size_t at = 0; at < n; at += k) memcpy(text + at, units[i], k);
        double start = now();
        size_t count = encode(t, text, n, 0);
        printf("%.3f s, %7zu ids: 1 MiB of \"%s\"\n", now() - start, count,
               units[i][0] == '\n' ? "(newline)" : units[i]);
    }
    free(text);
}

static void compare(const struct ptd_tokenizer *t, const char *path)
{
    int bad, n = check_lines(t, path, check_encode, 20, &bad);
    if (n < 0) ptd_die(PTD_NOINPUT, "cannot read %s", path);
    printf("%d texts, %d differ\n", n, bad);
    if (bad) exit(1);
}

int main(int argc, char **argv)
{
    ptd_program("bench-token");
    const char *what = argc > 2 ? argv[1] : "";
    struct ptd_tokenizer *t = argc > 2 ? read_tokenizer(argv[2]) : NULL;
    if (argc > 2 && !t) ptd_die_last();
    if (!strcmp(what, "load") && argc == 4)
        time_load(argv[2], atoi(argv[3]));
    else if ((!strcmp(what, "encode") || !strcmp(what, "lines")) && argc == 5)
        time_encode(t, argv[3], atoi(argv[4]), what[0] == 'l');
    else if (!strcmp(what, "worst") && argc == 3)
        time_worst(t);
    else if (!strcmp(what, "compare") && argc == 4)
        compare(t, argv[3]);
    else
        ptd_die(PTD_USAGE, "see the head of bench-token.c");
    ptd_tokenizer_free(t);
    return 0;
}
