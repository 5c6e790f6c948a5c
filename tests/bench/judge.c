/* judge: how long a judgement takes. "plain FILE": of pairs (tests/vectors/judge.tsv) that need no
 * algebra, "algebra FILE": of those that do; seconds each, golds made ready before. */
#include "bench.h"
#include "judge/judge.h"

#define PAIRS 4000

struct pair {
    struct ptd_gold *gold;
    char *answer;
};

static int is_algebra(const char *kind)
{
    static const char *const kinds[] = {"roots",   "pi",     "expressions", "equations",
                                        "logs",    "nested", "polynomials", "vectors",
                                        "complex", "powers", NULL};
    for (int i = 0; kinds[i]; i++)
        if (strstr(kind, kinds[i])) return 1;
    return 0;
}

static int read_pairs(const char *path, int algebra, struct pair *p)
{
    char line[4096];
    int n = 0, wanted = 0;
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    while (n < PAIRS && fgets(line, sizeof line, f)) {
        char *gold = strchr(line, '\t'), *answer = gold ? strchr(gold + 1, '\t') : NULL;
        if (*line == '#') wanted = is_algebra(line) == algebra;
        if (!answer || !wanted) continue;
        *answer++ = '\0';
        answer[strcspn(answer, "\n")] = '\0';
        p[n].gold = ptd_gold_new(NULL, NULL, &(struct ptd_asked){.answer = gold + 1});
        p[n].answer = ptd_strdup(answer);
        n += p[n].gold != NULL;
    }
    fclose(f);
    return n;
}

static double each(const char *path, int algebra)
{
    static struct pair p[PAIRS];
    int n = read_pairs(path, algebra, p), times = algebra ? 10 : 50;
    if (!n) exit(66);
    double start = bench_now();
    for (int k = 0; k < times; k++)
        for (int i = 0; i < n; i++)
            ptd_gold_score(p[i].gold, p[i].answer, strlen(p[i].answer), NULL);
    return (bench_now() - start) / times / n;
}

static double plain(const char *path)
{
    return each(path, 0);
}

static double algebra(const char *path)
{
    return each(path, 1);
}

int main(void)
{
    static const struct bench_work works[] = {{"plain", plain}, {"algebra", algebra}, {0}};
    return bench_serve(works);
}
