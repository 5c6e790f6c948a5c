/* Heads and groups: their fields, what must hold between them, and their memory.
 * Leaves to fields.c: msgpack; to stream.c: frames; to stages: what the fields mean. */
#include "flow/record.h"
#include "flow/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const ptd_outcome_name[4] = {"unjudged", "right", "wrong", "unparsable"};

#define REWARD_MAX 1e30 /* a step's sums of them are finite */

static int bad_count(const char *path, const char *name, int k, const char *array)
{
    return ptd_fields_bad(path, name, k ? "%d without %s" : "%d, but there are %s", k, array);
}

static int is_share(double x)
{
    return x >= 0 && x <= 1;
}

static int bad_share(const char *path, const char *name, double x)
{
    return ptd_fields_bad(path, name, "%g, expected 0 to 1", x);
}

static int check_reward(const char *path, const char *name, double x)
{
    if (x >= -REWARD_MAX && x <= REWARD_MAX) return 0;
    return ptd_fields_bad(path, name, "%g, expected %g to %g", x, -REWARD_MAX, REWARD_MAX);
}

static int check_part(const char *path, const void *base)
{
    const struct ptd_reward_part *p = base;
    if (!p->name || !*p->name) return ptd_fields_bad(path, "name", "missing");
    return check_reward(path, "value", p->value);
}

static int check_turn(const char *path, const void *base)
{
    const struct ptd_turn *t = base;
    if (!t->text) return ptd_fields_bad(path, "text", "missing");
    if (t->role && (!strcmp(t->role, "user") || !strcmp(t->role, "assistant"))) return 0;
    return ptd_fields_bad(path, "role", "\"%.40s\", expected user or assistant",
                          t->role ? t->role : "");
}

static int check_parts(const char *path, const struct ptd_reward_part *part, int n)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(part[i].name, part[j].name) == 0)
                return ptd_fields_bad(path, "parts", "\"%.40s\" comes twice", part[i].name);
    return 0;
}

static int check_rows(const char *path, const struct ptd_rollout *r)
{
    if (!r->teacher_rows != !r->teacher_width)
        return bad_count(path, "teacher_width", r->teacher_width, "teacher_rows");
    if (r->teacher_width > PTD_WIDTH_MAX)
        return ptd_fields_bad(path, "teacher_width", "%d, expected at most %d", r->teacher_width,
                              PTD_WIDTH_MAX);
    if (r->teacher_rows && r->teacher_ids)
        return ptd_fields_bad(path, "teacher_rows", "beside teacher_ids, expected one of them");
    return 0;
}

static int check_rollout(const char *path, const void *base)
{
    const struct ptd_rollout *r = base;
    if (!r->ids) return ptd_fields_bad(path, "ids", "missing");
    if (!r->teacher_ids != !r->teacher_logp)
        return ptd_fields_bad(path, "teacher_logp", "expected together with teacher_ids");
    if (r->teacher_on_top && !r->top_ids)
        return ptd_fields_bad(path, "teacher_on_top", "without top_ids");
    if (r->top_ids && !r->teacher_ids != !r->teacher_on_top)
        return ptd_fields_bad(path, "teacher_on_top", "expected together with teacher_ids");
    if (r->teacher_key && !ptd_rollout_taught(r))
        return ptd_fields_bad(path, "teacher_key", "without teacher_ids");
    if (!r->top_ids != !r->top_k) return bad_count(path, "top_k", r->top_k, "top_ids");
    if (r->top_logp && !r->top_ids) return ptd_fields_bad(path, "top_logp", "without top_ids");
    if (!r->teacher_ids != !r->teacher_k)
        return bad_count(path, "teacher_k", r->teacher_k, "teacher_ids");
    if (check_rows(path, r) < 0) return -1;
    if (r->greedy > 1) return ptd_fields_bad(path, "greedy", "%d, expected 0 or 1", r->greedy);
    if (!is_share(r->accuracy)) return bad_share(path, "accuracy", r->accuracy);
    if (!is_share(r->format)) return bad_share(path, "format", r->format);
    if (check_parts(path, r->parts, r->n_parts) < 0) return -1;
    return check_reward(path, "reward", r->reward);
}

static int check_hint(const char *path, const void *base)
{
    const struct ptd_hint *h = base;
    if (h->unchecked > 1)
        return ptd_fields_bad(path, "unchecked", "%d, expected 0 or 1", h->unchecked);
    return h->text ? 0 : ptd_fields_bad(path, "text", "missing");
}

static int check_map(const char *path, const void *base)
{
    const struct ptd_map *m = base;
    if (!m->score) return ptd_fields_bad(path, "score", "missing");
    if (m->rows && m->columns) return 0;
    return ptd_fields_bad(path, m->rows ? "columns" : "rows", "0, expected at least 1");
}

static int check_head(const char *path, const void *base)
{
    const struct ptd_head *h = base;
    int fine = h->temperature >= 0 && h->temperature <= 1e6;
    if (h->thought_open > 1)
        return ptd_fields_bad(path, "thought_open", "%d, expected 0 or 1", h->thought_open);
    if (h->recorded > 1)
        return ptd_fields_bad(path, "recorded", "%d, expected 0 or 1", h->recorded);
    if (h->waits > PTD_WAITS_MAX)
        return ptd_fields_bad(path, "waits", "%d, expected 0 to %d", h->waits, PTD_WAITS_MAX);
    if (h->shares ? h->share >= h->shares : h->share)
        return ptd_fields_bad(path, "share", "%d of \"shares\" %d, expected less", h->share,
                              h->shares);
    if (h->steps < 0 || h->first_step < 0)
        return ptd_fields_bad(path, h->steps < 0 ? "steps" : "first_step", "expected at least 0");
    if (h->teacher_generation < 0)
        return ptd_fields_bad(path, "teacher_generation", "expected at least 0");
    return fine ? 0 : ptd_fields_bad(path, "temperature", "expected a number from 0 to 1000000");
}

static int check_picture(const char *path, const void *base)
{
    const struct ptd_picture *p = base;
    if (!p->pixels || !*p->hash)
        return ptd_fields_bad(path, "pixels", "pixels or hash are missing");
    if (p->height && p->width) return 0;
    return ptd_fields_bad(path, p->height ? "width" : "height", "0, expected at least 1");
}

static int check_group(const char *path, const void *base)
{
    const struct ptd_group *g = base;
    if (g->group_accuracy != -1 && !is_share(g->group_accuracy))
        return bad_share(path, "group_accuracy", g->group_accuracy);
    if (g->n_answers && !g->answer) return ptd_fields_bad(path, "answers", "without answer");
    if (g->has_baseline > 1)
        return ptd_fields_bad(path, "has_baseline", "%d, expected 0 or 1", g->has_baseline);
    if (check_reward(path, "baseline", g->baseline) < 0) return -1;
    if (g->map.score && g->map.picture >= g->n_pictures)
        return ptd_fields_bad(path, "map.picture", "%d, but there are %d pictures", g->map.picture,
                              g->n_pictures);
    if (g->place < 0) return ptd_fields_bad(path, "place", "expected at least 0");
    return g->uid ? 0 : ptd_fields_bad(path, "uid", "missing");
}

/* clang-format off */
#define OFF(T, m)               offsetof(struct T, m)
#define STR_F(T, m)             {.name = #m, .kind = STR, .at = OFF(T, m)}
#define NUM_F(T, m, type, r, p) {.name = #m, .kind = type, .at = OFF(T, m), .rule = r, .preset = p}
#define ARRAY_F(T, m, type, n)  .name = #m, .kind = type, .at = OFF(T, m), .n_at = OFF(T, n)
#define JUDGED_F(m)             {ARRAY_F(ptd_rollout, m, F64, outcome), .rule = WHEN_SET}
#define OWN_F(T, m, n, r)       {ARRAY_F(T, m, I32, n), .k_at = PTD_NONE, .own = 1, .rule = r}
#define ROW_F(T, m, type)       {ARRAY_F(T, m, type, n), .k_at = PTD_NONE}
#define TOP_F(T, m, type, k)    {ARRAY_F(T, m, type, n), .k_at = OFF(T, k)}
#define LIST_F(T, m, type, t)   {ARRAY_F(T, m, type, n_##m), .sub = t}
#define SHORT_F(T, m, type, t)  {ARRAY_F(T, m, type, n_##m), .sub = t, .most = PTD_LIST_MAX}
#define DATA_F(m, type, t)      SHORT_F(ptd_group, m, type, t)
/* clang-format on */

static const struct ptd_field stage_fields[] = {
    STR_F(ptd_stage_note, name),
    STR_F(ptd_stage_note, version),
    STR_F(ptd_stage_note, command),
    STR_F(ptd_stage_note, decided),
    STR_F(ptd_stage_note, machine),
    STR_F(ptd_stage_note, build),
    {0},
};
static const struct ptd_fields stage_table = {stage_fields, sizeof(struct ptd_stage_note), PTD_NONE,
                                              NULL};

static const struct ptd_field head_fields[] = {
    NUM_F(ptd_head, version, INT, ALWAYS, 0),
    STR_F(ptd_head, store),
    STR_F(ptd_head, data),
    STR_F(ptd_head, data_digest),
    STR_F(ptd_head, pictures_digest),
    STR_F(ptd_head, mode),
    NUM_F(ptd_head, seed, I64, ALWAYS, 0),
    NUM_F(ptd_head, steps, I64, ALWAYS, 0),
    NUM_F(ptd_head, first_step, I64, ALWAYS, 0),
    NUM_F(ptd_head, group_size, INT, ALWAYS, 0),
    NUM_F(ptd_head, step_groups, INT, ALWAYS, 0),
    NUM_F(ptd_head, max_tokens, INT, ALWAYS, 0),
    NUM_F(ptd_head, temperature, F64, ALWAYS, 0),
    NUM_F(ptd_head, top_logprobs, INT, ALWAYS, 0),
    NUM_F(ptd_head, recorded, INT, UNLESS_PRESET, 0),
    NUM_F(ptd_head, waits, INT, UNLESS_PRESET, 0),
    STR_F(ptd_head, sampling),
    STR_F(ptd_head, verdicts),
    STR_F(ptd_head, relay),
    NUM_F(ptd_head, share, INT, UNLESS_PRESET, 0),
    NUM_F(ptd_head, shares, INT, UNLESS_PRESET, 0),
    NUM_F(ptd_head, thought_open, INT, UNLESS_PRESET, 0),
    STR_F(ptd_head, teacher),
    NUM_F(ptd_head, teacher_generation, I64, UNLESS_PRESET, 0),
    LIST_F(ptd_head, stages, MAPS, &stage_table),
    {0},
};
static const struct ptd_fields head_table = {head_fields, sizeof(struct ptd_head),
                                             offsetof(struct ptd_head, unknown), check_head};

static const struct ptd_field picture_fields[] = {
    {.name = "hash", .kind = HASH, .at = OFF(ptd_picture, hash)},
    NUM_F(ptd_picture, height, INT, ALWAYS, 0),
    NUM_F(ptd_picture, width, INT, ALWAYS, 0),
    {.name = "pixels",
     .kind = PIXELS,
     .at = OFF(ptd_picture, pixels),
     .n_at = OFF(ptd_picture, height),
     .k_at = OFF(ptd_picture, width)},
    {0},
};
static const struct ptd_fields picture_table = {picture_fields, sizeof(struct ptd_picture),
                                                PTD_NONE, check_picture};

static const struct ptd_field turn_fields[] = {
    STR_F(ptd_turn, role),
    STR_F(ptd_turn, text),
    {0},
};
static const struct ptd_fields turn_table = {turn_fields, sizeof(struct ptd_turn), PTD_NONE,
                                             check_turn};

static const struct ptd_field part_fields[] = {
    STR_F(ptd_reward_part, name),
    NUM_F(ptd_reward_part, value, F64, ALWAYS, 0),
    {0},
};
static const struct ptd_fields part_table = {part_fields, sizeof(struct ptd_reward_part), PTD_NONE,
                                             check_part};

static const struct ptd_field rollout_fields[] = {
    OWN_F(ptd_rollout, ids, n, ALWAYS),
    ROW_F(ptd_rollout, logp, F32),
    TOP_F(ptd_rollout, top_ids, I32, top_k),
    NUM_F(ptd_rollout, top_k, INT, UNLESS_PRESET, 0),
    TOP_F(ptd_rollout, top_logp, F16, top_k),
    ROW_F(ptd_rollout, entropy, F32),
    STR_F(ptd_rollout, text),
    STR_F(ptd_rollout, stop),
    NUM_F(ptd_rollout, greedy, INT, UNLESS_PRESET, 0),
    {.name = "outcome",
     .kind = NAMED,
     .at = OFF(ptd_rollout, outcome),
     .names = ptd_outcome_name,
     .n_names = 4},
    STR_F(ptd_rollout, extracted),
    STR_F(ptd_rollout, reason),
    JUDGED_F(accuracy),
    JUDGED_F(format),
    JUDGED_F(reward),
    JUDGED_F(advantage),
    SHORT_F(ptd_rollout, parts, MAPS, &part_table),
    ROW_F(ptd_rollout, ref_logp, F32),
    TOP_F(ptd_rollout, teacher_ids, I32, teacher_k),
    TOP_F(ptd_rollout, teacher_logp, F16, teacher_k),
    TOP_F(ptd_rollout, teacher_on_top, F16, top_k),
    NUM_F(ptd_rollout, teacher_k, INT, UNLESS_PRESET, 0),
    STR_F(ptd_rollout, teacher_key),
    ROW_F(ptd_rollout, teacher_on_ids, F32),
    TOP_F(ptd_rollout, teacher_rows, F32, teacher_width),
    NUM_F(ptd_rollout, teacher_width, INT, UNLESS_PRESET, 0),
    ROW_F(ptd_rollout, masked_logp, F32),
    ROW_F(ptd_rollout, divergence, F32),
    ROW_F(ptd_rollout, advantages, F32),
    {0},
};
static const struct ptd_fields rollout_table = {rollout_fields, sizeof(struct ptd_rollout),
                                                offsetof(struct ptd_rollout, unknown),
                                                check_rollout};

static const struct ptd_field hint_fields[] = {
    STR_F(ptd_hint, text),
    STR_F(ptd_hint, source),
    LIST_F(ptd_hint, regions, REGIONS, NULL),
    LIST_F(ptd_hint, steps, STRINGS, NULL),
    OWN_F(ptd_hint, prompt_ids, n_prompt, UNLESS_PRESET),
    NUM_F(ptd_hint, unchecked, INT, UNLESS_PRESET, 0),
    {0},
};
static const struct ptd_fields hint_table = {hint_fields, sizeof(struct ptd_hint), PTD_NONE,
                                             check_hint};

static const struct ptd_field map_fields[] = {
    {.name = "score",
     .kind = F16,
     .at = OFF(ptd_map, score),
     .n_at = OFF(ptd_map, rows),
     .k_at = OFF(ptd_map, columns)},
    NUM_F(ptd_map, rows, INT, ALWAYS, 0),
    NUM_F(ptd_map, columns, INT, ALWAYS, 0),
    NUM_F(ptd_map, picture, INT, ALWAYS, 0),
    STR_F(ptd_map, source),
    {0},
};
static const struct ptd_fields map_table = {map_fields, sizeof(struct ptd_map), PTD_NONE,
                                            check_map};

static const struct ptd_field group_fields[] = {
    STR_F(ptd_group, uid),
    NUM_F(ptd_group, index, I64, ALWAYS, 0),
    NUM_F(ptd_group, step, I64, ALWAYS, 0),
    NUM_F(ptd_group, place, I64, UNLESS_PRESET, 0),
    NUM_F(ptd_group, round, INT, UNLESS_PRESET, 0),
    NUM_F(ptd_group, generation, I64, ALWAYS, -1),
    STR_F(ptd_group, category),
    STR_F(ptd_group, system),
    DATA_F(turns, MAPS, &turn_table),
    STR_F(ptd_group, question),
    STR_F(ptd_group, answer),
    DATA_F(answers, STRINGS, NULL),
    STR_F(ptd_group, judge),
    STR_F(ptd_group, solution),
    DATA_F(regions, REGIONS, NULL),
    DATA_F(steps, STRINGS, NULL),
    DATA_F(objects, REGIONS, NULL),
    DATA_F(pictures, MAPS, &picture_table),
    OWN_F(ptd_group, prompt_ids, n_prompt, UNLESS_PRESET),
    LIST_F(ptd_group, rollouts, MAPS, &rollout_table),
    {.name = "hint", .kind = MAP, .at = OFF(ptd_group, hint), .sub = &hint_table},
    STR_F(ptd_group, hint_drop),
    NUM_F(ptd_group, hint_gain, F64, UNLESS_PRESET, 0),
    STR_F(ptd_group, hint_refused),
    STR_F(ptd_group, hint_dropped),
    {.name = "map", .kind = MAP, .at = OFF(ptd_group, map), .sub = &map_table},
    NUM_F(ptd_group, group_accuracy, F64, UNLESS_PRESET, -1),
    NUM_F(ptd_group, has_baseline, INT, UNLESS_PRESET, 0),
    NUM_F(ptd_group, baseline, F64, UNLESS_PRESET, 0),
    {0},
};
static const struct ptd_fields group_table = {group_fields, sizeof(struct ptd_group),
                                              offsetof(struct ptd_group, unknown), check_group};

/* ---- head ---- */

static int check_version(const msgpack_object *o)
{
    for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
        const msgpack_object *key = &o->via.map.ptr[i].key, *v = &o->via.map.ptr[i].val;
        if (key->type != MSGPACK_OBJECT_STR || key->via.str.size != 7 ||
            memcmp(key->via.str.ptr, "version", 7))
            continue;
        if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER && v->via.u64 == PTD_STREAM_VERSION)
            return 0;
        return ptd_fail(PTD_CUT, "field \"version\": stream of another version, expected %d",
                        PTD_STREAM_VERSION);
    }
    return ptd_fail(PTD_DATAERR, "field \"version\": missing");
}

int ptd_head_decode(struct ptd_head *h, const char *body, size_t len)
{
    memset(h, 0, sizeof *h);
    if (ptd_fields_decode(&h->arena, &head_table, h, body, len, check_version) == 0) return 0;
    ptd_head_clear(h);
    return -1;
}

int ptd_head_check_temperature(const struct ptd_head *h)
{
    if (h->temperature >= 1e-3) return 0;
    return ptd_fail(PTD_DATAERR,
                    "record 0: field \"temperature\": found %g, expected at least 0.001",
                    h->temperature);
}

double ptd_head_rollout_bytes(const struct ptd_head *h, double scored)
{
    const double names = scored > 0 ? 400 : 300;      /* of fields, and those of fixed size */
    double token = 4 + 4 + 4.0 * h->top_logprobs + 4; /* ids, logp, top_ids, text */
    if (h->recorded) token += 4 + 2.0 * h->top_logprobs;
    return h->group_size * (names + h->max_tokens * (token + scored));
}

void ptd_head_encode(const struct ptd_head *h, struct ptd_buf *out)
{
    ptd_fields_encode(&head_table, h, out);
}

char *ptd_head_text(struct ptd_head *h, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(ptd_arena_alloc(&h->arena, n), s, n);
}

static const char *copy(struct ptd_head *h, const char *s)
{
    return s ? ptd_head_text(h, s) : NULL;
}

void ptd_head_add_stage(struct ptd_head *h, const struct ptd_stage_note *n)
{
    struct ptd_stage_note *all =
        ptd_arena_alloc(&h->arena, (size_t)(h->n_stages + 1) * sizeof *all);
    if (h->n_stages) memcpy(all, h->stages, (size_t)h->n_stages * sizeof *all);
    all[h->n_stages++] = (struct ptd_stage_note){.name = copy(h, n->name),
                                                 .version = copy(h, n->version),
                                                 .command = copy(h, n->command),
                                                 .decided = copy(h, n->decided),
                                                 .machine = copy(h, n->machine),
                                                 .build = copy(h, n->build)};
    h->stages = all;
}

void ptd_head_clear(struct ptd_head *h)
{
    ptd_arena_free(&h->arena);
    memset(h, 0, sizeof *h);
}

/* ---- group ---- */

int ptd_group_decode(struct ptd_group *g, const char *body, size_t len)
{
    ptd_group_clear(g);
    if (ptd_fields_decode(&g->arena, &group_table, g, body, len, NULL) == 0) return 0;
    ptd_group_clear(g);
    return -1;
}

void ptd_group_encode(const struct ptd_group *g, struct ptd_buf *out)
{
    ptd_fields_encode(&group_table, g, out);
}

int ptd_rollout_right(const struct ptd_rollout *y)
{
    return y->outcome ? y->outcome == PTD_RIGHT : y->accuracy >= 1;
}

int ptd_rollout_taught(const struct ptd_rollout *y)
{
    return y->teacher_ids || y->teacher_rows || y->teacher_on_ids;
}

void *ptd_group_alloc(struct ptd_group *g, size_t n)
{
    return ptd_arena_alloc(&g->arena, n);
}

char *ptd_group_text(struct ptd_group *g, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) ptd_die(PTD_BUG, "text that cannot be formatted");
    char *s = ptd_arena_alloc(&g->arena, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

char *ptd_group_join(struct ptd_group *g, const char *between, const char *const *part, int n)
{
    size_t bytes = 1;
    for (int i = 0; i < n; i++) bytes += strlen(part[i]) + strlen(between);
    char *text = ptd_arena_alloc(&g->arena, bytes), *end = text;
    for (int i = 0; i < n; i++) end = stpcpy(stpcpy(end, i ? between : ""), part[i]);
    return text;
}

void ptd_group_clear(struct ptd_group *g)
{
    ptd_arena_free(&g->arena);
    memset(g, 0, sizeof *g);
    g->generation = -1;
    g->group_accuracy = -1;
}
