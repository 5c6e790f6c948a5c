/* What the large arrays of a group may hold, once its fields are there and fit each other.
 * Leaves to record.c: that they do. */
#include "flow/fields.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define LOGP_MAX      1e-3f  /* what rounding may add to a certain word's 0 */
#define LOGP_MAX_HALF 0x1419 /* the same in half precision */
#define HALF_INF      0x7c00

void ptd_picture_hash(const uint8_t *pixels, int height, int width, char hex[17])
{
    unsigned char size[8];
    for (int i = 0; i < 4; i++)
        size[i] = (unsigned)height >> 8 * i, size[4 + i] = (unsigned)width >> 8 * i;
    XXH3_state_t *state = XXH3_createState();
    if (!state) ptd_die(PTD_OSERR, "out of memory for a hash");
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, size, sizeof size);
    XXH3_64bits_update(state, pixels, (size_t)height * width * 3);
    snprintf(hex, 17, "%016llx", (unsigned long long)XXH3_64bits_digest(state));
    XXH3_freeState(state);
}

static int check_picture(const char *path, const struct ptd_picture *p)
{
    char hex[17];
    ptd_picture_hash(p->pixels, p->height, p->width, hex);
    if (strcmp(hex, p->hash) == 0) return 0;
    return ptd_fields_bad(path, "hash", "%s, but that of size and pixels is %s", p->hash, hex);
}

/* ---- arrays: no branch within the loops, so that they run as fast as memory does ---- */

static int check_ids(const char *path, const char *name, const int32_t *ids, size_t n, int least)
{
    int low = 0;
    for (size_t i = 0; ids && i < n; i++) low |= ids[i] < least;
    return low ? ptd_fields_bad(path, name, "an id below %d", least) : 0;
}

static int check_logp(const char *path, const char *name, const float *logp, size_t n)
{
    int high = 0;
    for (size_t i = 0; logp && i < n; i++) high |= logp[i] > LOGP_MAX;
    return high ? ptd_fields_bad(path, name, "a log-probability above 0") : 0;
}

static int check_halves(const char *path, const char *name, const uint16_t *logp, size_t n)
{
    const uint16_t first = LOGP_MAX_HALF + 1;
    int high = 0;
    for (size_t i = 0; logp && i < n; i++) high |= (uint16_t)(logp[i] - first) <= HALF_INF - first;
    return high ? ptd_fields_bad(path, name, "a log-probability above 0") : 0;
}

static int check_entropy(const char *path, const float *entropy, size_t n)
{
    int low = 0;
    for (size_t i = 0; entropy && i < n; i++) low |= entropy[i] < -LOGP_MAX;
    return low ? ptd_fields_bad(path, "entropy", "below 0") : 0;
}

static int check_rollout(const char *path, const struct ptd_rollout *y)
{
    size_t n = (size_t)y->n, top = n * (size_t)y->top_k, teacher = n * (size_t)y->teacher_k;
    return check_ids(path, "ids", y->ids, n, 0) < 0 || check_logp(path, "logp", y->logp, n) < 0 ||
                   check_ids(path, "top_ids", y->top_ids, top, -1) < 0 ||
                   check_logp(path, "ref_logp", y->ref_logp, n) < 0 ||
                   check_ids(path, "teacher_ids", y->teacher_ids, teacher, -1) < 0 ||
                   check_halves(path, "teacher_logp", y->teacher_logp, teacher) < 0 ||
                   check_halves(path, "teacher_on_top", y->teacher_on_top, top) < 0 ||
                   check_logp(path, "teacher_on_ids", y->teacher_on_ids, n) < 0 ||
                   check_logp(path, "masked_logp", y->masked_logp, n) < 0 ||
                   check_halves(path, "top_logp", y->top_logp, top) < 0 ||
                   check_entropy(path, y->entropy, n) < 0
               ? -1
               : 0;
}

int ptd_group_check(const struct ptd_group *g)
{
    char path[40];
    if (!g->n_rollouts) return ptd_fields_bad("", "rollouts", "empty, expected at least one");
    for (int i = 0; i < g->n_pictures; i++) {
        snprintf(path, sizeof path, "pictures[%d].", i);
        if (check_picture(path, &g->pictures[i]) < 0) return -1;
    }
    for (int i = 0; i < g->n_rollouts; i++) {
        snprintf(path, sizeof path, "rollouts[%d].", i);
        if (check_rollout(path, &g->rollouts[i]) < 0) return -1;
    }
    if (check_ids("", "prompt_ids", g->prompt_ids, (size_t)g->n_prompt, 0) < 0) return -1;
    return check_ids("hint.", "prompt_ids", g->hint.prompt_ids, (size_t)g->hint.n_prompt, 0);
}

/* ---- words of a vocabulary ---- */

static int check_words(const char *path, const char *name, const int32_t *ids, size_t n, int vocab)
{
    int high = 0;
    for (size_t i = 0; ids && i < n; i++) high |= ids[i] >= vocab;
    return high
               ? ptd_fields_bad(path, name, "an id above %d, the last of the vocabulary", vocab - 1)
               : 0;
}

static int check_rollout_words(const char *path, const struct ptd_rollout *y, int vocab)
{
    size_t n = (size_t)y->n, top = n * (size_t)y->top_k, teacher = n * (size_t)y->teacher_k;
    if (check_words(path, "ids", y->ids, n, vocab) < 0) return -1;
    if (check_words(path, "top_ids", y->top_ids, top, vocab) < 0) return -1;
    return check_words(path, "teacher_ids", y->teacher_ids, teacher, vocab);
}

int ptd_group_check_words(const struct ptd_group *g, int vocab)
{
    char path[40];
    for (int i = 0; i < g->n_rollouts; i++) {
        snprintf(path, sizeof path, "rollouts[%d].", i);
        if (check_rollout_words(path, &g->rollouts[i], vocab) < 0) return -1;
    }
    if (check_words("", "prompt_ids", g->prompt_ids, (size_t)g->n_prompt, vocab) < 0) return -1;
    return check_words("hint.", "prompt_ids", g->hint.prompt_ids, (size_t)g->hint.n_prompt, vocab);
}

/* ---- all of it ---- */

int ptd_group_read(struct ptd_group *g, const char *body, size_t len)
{
    if (ptd_group_decode(g, body, len) < 0) return -1;
    if (ptd_group_check(g) == 0) return 0;
    ptd_group_clear(g);
    return -1;
}
