/* The divergences that there are. */
#include "method/divergence/divergence.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

extern const struct ptd_divergence ptd_divergence_jsd_detached, ptd_divergence_sampled;

ptd_method_table ptd_divergences = {
    &ptd_divergence_jsd.is,
    &ptd_divergence_forward.is,
    &ptd_divergence_reverse.is,
    &ptd_divergence_gjsd.is,
    &ptd_divergence_jsd_detached.is,
    &ptd_divergence_sampled.is,
    NULL,
};

/* "0.3" of "gjsd=0.3" to the row's first option. */
static int set_option(const struct ptd_divergence *d, const char *name, const char *text)
{
    const struct ptd_opt *o = d->is.options;
    char *end;
    if (!o || !o->name)
        return ptd_fail(PTD_USAGE, "--divergence \"%s\": %s has no option to be set", name,
                        d->is.name);
    double x = strtod(text, &end);
    if (!*text || *end || !(x >= o->lo && x <= o->hi))
        return ptd_fail(PTD_USAGE, "--divergence \"%s\": expected %s=%s, from %g to %g", name,
                        d->is.name, o->arg, o->lo, o->hi);
    *(double *)o->value = x;
    return 0;
}

const struct ptd_divergence *ptd_divergence_named(const char *name)
{
    char *plain = ptd_strdup(name), *value = strchr(plain, '=');
    if (value) *value++ = 0;
    const struct ptd_divergence *d = (const struct ptd_divergence *)ptd_method_named(
        ptd_divergences, "divergence", value ? plain : name);
    if (d && value && set_option(d, name, value)) d = NULL;
    free(plain);
    return d;
}
