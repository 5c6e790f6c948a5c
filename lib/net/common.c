/* common: see common.h. */
#include "net/common.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* Places begin where any access may. */
static size_t room_of(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

void ptd_common_want_text(struct ptd_common *c, const char *text)
{
    if (!c->hash) {
        if (!(c->hash = XXH3_createState())) ptd_die(PTD_OSERR, "out of memory for a hash");
        XXH3_64bits_reset(c->hash);
        c->bytes = c->used = 0;
    }
    XXH3_64bits_update(c->hash, text, strlen(text) + 1);
}

void ptd_common_want(struct ptd_common *c, const char *name, size_t bytes)
{
    ptd_common_want_text(c, name);
    XXH3_64bits_update(c->hash, &bytes, sizeof bytes);
    c->bytes += room_of(bytes);
}

void ptd_common_open(struct ptd_common *c, struct ptd_device *d, int want)
{
    char name[17];
    if (!c->hash) return;
    snprintf(name, sizeof name, "%016llx", (unsigned long long)XXH3_64bits_digest(c->hash));
    XXH3_freeState(c->hash);
    c->hash = NULL;
    if (want && d->ops->share) c->at = d->ops->share(d, name, c->bytes, &c->filled);
    if (!c->at) c->bytes = 0;
}

void *ptd_common_take(struct ptd_common *c, size_t bytes)
{
    char *at = (char *)c->at + c->used;
    if (!c->at || room_of(bytes) > c->bytes - c->used) return NULL;
    c->used += room_of(bytes);
    c->parts++;
    return at;
}

static void forget(struct ptd_common *c, struct ptd_device *d)
{
    ptd_device_free(d, c->at);
    *c = (struct ptd_common){NULL};
}

void ptd_common_close(struct ptd_common *c, struct ptd_device *d, int failed)
{
    if (!c->at || !c->bytes) return;
    c->bytes = c->used = 0;
    if (!c->parts)
        forget(c, d);
    else if (!failed && !c->filled)
        d->ops->filled(d, c->at);
}

void ptd_common_give(struct ptd_common *c, struct ptd_device *d)
{
    if (!--c->parts) forget(c, d);
}
