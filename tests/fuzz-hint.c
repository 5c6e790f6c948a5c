/* Fuzzing entry: any bytes as a question, an answer, a solution and a hint, parted by lines of
 * their own byte 1. The rules must come to an end; no hint may say a number that is the answer,
 * whatever stands around it. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "judge/number.h"
#include "method/hint/spoiler.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char *next(char **rest)
{
    char *field = strsep(rest, "\1");
    return field ? field : "";
}

/* "the answer is ..." with a number that the answer is. */
static void check_said(const struct ptd_group *g)
{
    struct ptd_rational r;
    char hint[96];
    if (strlen(g->answer) > 32 || !ptd_number_parse(g->answer, strlen(g->answer), &r)) return;
    for (const char *s = g->answer; *s; s++)
        if (!strchr("0123456789.", *s)) return;
    strcpy(stpcpy(hint, "so the answer is "), g->answer);
    if (!ptd_spoiler_find(hint, g)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = calloc(n + 1, 1), *rest = text;
    if (!text) return 0;
    memcpy(text, data, n);
    for (size_t i = 0; i < n; i++)
        if (!text[i]) text[i] = ' ';
    struct ptd_group g = {.question = next(&rest), .answer = next(&rest)};
    const char *solution = next(&rest), *hint = rest ? rest : "";
    g.solution = *solution ? solution : NULL;
    ptd_spoiler_find(hint, &g);
    for (const struct ptd_spoiler_rule *r = ptd_spoiler_rules; r->name && strlen(hint) < 4096; r++)
        r->found(hint, &g);
    check_said(&g);
    free(text);
    return 0;
}
