/* aggregate: see aggregate.h. */
#include "method/loss/aggregate.h"
#include "base/err.h"
#include <string.h>

const char *const ptd_aggregate_names[] = {"token", "sequence", "constant", NULL};

int ptd_aggregate_named(const char *name)
{
    for (int i = 0; ptd_aggregate_names[i]; i++)
        if (!strcmp(ptd_aggregate_names[i], name)) return i;
    return ptd_fail(PTD_USAGE, "--aggregate \"%s\": expected one of token, sequence, constant",
                    name);
}

void ptd_aggregate_counts(const struct ptd_tokens *t, int how, double length, double *count)
{
    double tokens = t->all_tokens > 0 ? t->all_tokens : t->n, responses = t->all_responses;
    for (long k = 0; k < t->n_sequences && !(t->all_tokens > 0); k++)
        responses += t->sequences[k].n > 0;
    for (long i = 0; i < t->n; i++) {
        int n = t->sequences[t->sequence[i]].n;
        count[i] = how == PTD_BY_TOKEN ? tokens : responses * (how == PTD_BY_SEQUENCE ? n : length);
    }
}
