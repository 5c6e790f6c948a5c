/* reply: see reply.h. */
#include "method/reply.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX  (PTD_LIST_MAX - 1) /* the reward is one, too */
#define NAME_BYTES 64

static int number_of(const json_t *j, double *x)
{
    *x = json_is_true(j) ? 1 : json_number_value(j);
    return json_is_number(j) || json_is_boolean(j);
}

static int read_numbers(struct ptd_reply *r, const json_t *o)
{
    const json_t *reward = json_object_get(o, "reward"), *accuracy = json_object_get(o, "accuracy");
    r->has_reward = reward != NULL;
    r->has_accuracy = accuracy != NULL;
    if (!reward && !accuracy)
        return ptd_fail(PTD_DATAERR,
                        "its answer lacks \"reward\" and \"accuracy\", expected one of "
                        "them");
    if (!reward && json_object_get(o, "response"))
        return ptd_fail(PTD_DATAERR, "its answer has \"response\": the question again, whose "
                                     "\"accuracy\" is the rule's; expected its own alone");
    if (reward && (!number_of(reward, &r->reward) || !(fabs(r->reward) <= PTD_REPLY_REWARD)))
        return ptd_fail(PTD_DATAERR, "its answer's \"reward\": expected a number within +-%g",
                        PTD_REPLY_REWARD);
    if (accuracy && (!number_of(accuracy, &r->accuracy) || !(r->accuracy >= 0 && r->accuracy <= 1)))
        return ptd_fail(PTD_DATAERR, "its answer's \"accuracy\": expected a number from 0 to 1");
    return 0;
}

static int read_part(struct ptd_reply *r, struct ptd_group *g, const char *name, const char *key,
                     const json_t *value)
{
    double x;
    size_t n = strlen(key);
    if (n == 0 || n > NAME_BYTES)
        return ptd_fail(PTD_DATAERR,
                        "its answer's \"parts\", \"%.80s\": expected a name of 1 to %d bytes", key,
                        NAME_BYTES);
    if (!number_of(value, &x) || !(fabs(x) <= PTD_REPLY_REWARD))
        return ptd_fail(PTD_DATAERR,
                        "its answer's \"parts\", \"%.40s\": expected a number within +-%g", key,
                        PTD_REPLY_REWARD);
    r->parts[r->n_parts++] = (struct ptd_reward_part){ptd_group_text(g, "%s/%s", name, key), x};
    return 0;
}

static int read_parts(struct ptd_reply *r, struct ptd_group *g, const char *name, json_t *o)
{
    json_t *parts = json_object_get(o, "parts"), *value;
    const char *key;
    size_t n = json_object_size(parts);
    if (!parts) return 0;
    if (!json_is_object(parts))
        return ptd_fail(PTD_DATAERR, "its answer's \"parts\": expected an object");
    if (n > PARTS_MAX)
        return ptd_fail(PTD_DATAERR, "its answer has %zu parts, expected at most %d", n, PARTS_MAX);
    r->parts = ptd_group_alloc(g, n * sizeof *r->parts);
    json_object_foreach (parts, key, value) {
        if (read_part(r, g, name, key, value) < 0) return -1;
    }
    return 0;
}

int ptd_reply_read(struct ptd_reply *r, struct ptd_group *g, const char *name, const char *line,
                   size_t len)
{
    json_error_t e;
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
    *r = (struct ptd_reply){0};
    if (!o)
        return ptd_fail(PTD_DATAERR, "it answered \"%.*s\": %s, expected an object of JSON",
                        (int)(len < 60 ? len : 60), line, len ? e.text : "an empty line");
    int rc = json_is_object(o)
                 ? read_numbers(r, o)
                 : ptd_fail(PTD_DATAERR, "it answered an array, expected an object of JSON");
    if (rc == 0) rc = read_parts(r, g, name, o);
    json_decref(o);
    return rc;
}
