/* mutant: see mutant.h. GPU_MUTANT: the number of the one; GPU_MUTANT_REACHED: a file that gets the
 * numbers of those that were asked for, once the program ends. */
#include "mutant.h"
#include <stdio.h>
#include <stdlib.h>
#include <vector>

static int chosen()
{
    const char *set = getenv("GPU_MUTANT");
    return set && *set ? atoi(set) : -1;
}

/* Never destroyed: it is told of when all else is over. */
static std::vector<bool> &reached()
{
    static std::vector<bool> &all = *new std::vector<bool>;
    return all;
}

bool sim_is(int number)
{
    static const int one = chosen();
    std::vector<bool> &all = reached();
    if ((size_t)number >= all.size()) all.resize((size_t)number + 1);
    all[(size_t)number] = true;
    return number == one;
}

__attribute__((destructor)) static void tell()
{
    const char *name = getenv("GPU_MUTANT_REACHED");
    FILE *f = name && !reached().empty() ? fopen(name, "w") : NULL;
    for (size_t i = 0; f && i < reached().size(); i++)
        if (reached()[i]) fprintf(f, "%zu\n", i);
    if (f) fclose(f);
}
