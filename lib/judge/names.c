/* names: see names.h. */
#include "judge/names.h"
#include "judge/expr.h"
#include <string.h>

int ptd_is_function(const struct ptd_tok *t)
{
    static const char *const names[] = {"sin",    "cos",    "tan",    "cot",  "sec",  "csc",
                                        "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
                                        "ln",     "log",    "lg",     "exp",  "max",  "min",
                                        "gcd",    "lcm",    "asin",   "acos", "atan", NULL};
    for (int i = 0; t->kind == PTD_T_WORD && names[i]; i++)
        if (t->n == strlen(names[i]) && memcmp(t->s, names[i], t->n) == 0) return 1;
    return 0;
}

int ptd_is_greek(const struct ptd_tok *t)
{
    static const char *const names[] = {"alpha", "beta",   "gamma", "delta", "epsilon",
                                        "theta", "lambda", "mu",    "sigma", "phi",
                                        "omega", "rho",    NULL};
    for (int i = 0; names[i]; i++)
        if (t->n == strlen(names[i]) && memcmp(t->s, names[i], t->n) == 0) return 1;
    return 0;
}

int ptd_constant(const char *s, size_t n)
{
    if (n == 2 && memcmp(s, "pi", 2) == 0) return PTD_E_PI;
    if (n == 1 && *s == 'e') return PTD_E_EULER;
    if (n == 1 && *s == 'i') return PTD_E_I;
    if ((n == 3 && memcmp(s, "inf", 3) == 0) ||
        (n == 8 && (memcmp(s, "infinity", 8) == 0 || memcmp(s, "Infinity", 8) == 0)) ||
        (n == 9 && memcmp(s, "无穷大", 9) == 0) || (n == 2 && memcmp(s, "oo", 2) == 0))
        return PTD_E_INF;
    return 0;
}
