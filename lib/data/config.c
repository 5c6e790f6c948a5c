/* config: reads config.json, generation_config.json and preprocessor_config.json, and checks every
 * number. Where the texts come from (store, folder, built in) is left to the caller; what the
 * tokenizer says, to token.c. */
#include "data/config.h"
#include "base/json.h"
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One object of a file. The first failure is kept; later reads of the same file do nothing. */
struct source {
    const char *file, *path; /* path: "" or "text_config." */
    const json_t *object;
    int *failed;
};

static void describe(const json_t *v, char *out, size_t n)
{
    if (!v)
        snprintf(out, n, "missing");
    else if (json_is_string(v))
        snprintf(out, n, "found \"%.40s\"", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(out, n, "found %lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(out, n, "found %g", json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(out, n, "found %s", json_is_true(v) ? "true" : "false");
    else
        snprintf(out, n, "found %s",
                 json_is_null(v)    ? "null"
                 : json_is_array(v) ? "an array"
                                    : "an object");
}

__attribute__((format(printf, 5, 6))) static void
refuse(const struct source *s, int status, const char *key, const json_t *v, const char *fmt, ...)
{
    char found[80], expected[200];
    va_list ap;
    if (*s->failed) return;
    *s->failed = 1;
    describe(v, found, sizeof found);
    va_start(ap, fmt);
    vsnprintf(expected, sizeof expected, fmt, ap);
    va_end(ap);
    ptd_fail(status, "%s: field \"%s%s\": %s, expected %s", s->file, s->path, key, found, expected);
}

static const json_t *get(const struct source *s, const char *key)
{
    const json_t *v = *s->failed ? NULL : json_object_get(s->object, key);
    return json_is_null(v) ? NULL : v;
}

static int in_range(const json_t *v, json_int_t lo, json_int_t hi)
{
    return json_is_integer(v) && json_integer_value(v) >= lo && json_integer_value(v) <= hi;
}

static long whole(const struct source *s, const char *key, long lo, long hi)
{
    const json_t *v = get(s, key);
    if (in_range(v, lo, hi)) return json_integer_value(v);
    refuse(s, PTD_DATAERR, key, v, "a whole number from %ld to %ld", lo, hi);
    return lo;
}

static double number(const struct source *s, const char *key, double lo, double hi)
{
    const json_t *v = get(s, key);
    double x = json_number_value(v);
    if (json_is_number(v) && x >= lo && x <= hi) return x;
    refuse(s, PTD_DATAERR, key, v, "a number from %g to %g", lo, hi);
    return lo;
}

static struct source inside(const struct source *s, const char *key, const char *path)
{
    struct source in = {s->file, path, get(s, key), s->failed};
    if (!json_is_object(in.object)) refuse(s, PTD_DATAERR, key, in.object, "an object");
    return in;
}

/* Settings with one implemented value; absent is as good as that value unless it is required. */
static void only_text(const struct source *s, const char *key, const char *value, int required)
{
    const json_t *v = get(s, key);
    if (!v && !required) return;
    if (!json_is_string(v))
        refuse(s, PTD_DATAERR, key, v, "\"%s\"", value);
    else if (strcmp(json_string_value(v), value))
        refuse(s, PTD_CONFIG, key, v, "\"%s\" (no other is implemented)", value);
}

static void only_number(const struct source *s, const char *key, double value)
{
    const json_t *v = get(s, key);
    char wanted[24];
    if (!v) return;
    int flag = json_is_boolean(v);
    if (flag ? json_is_true(v) == (value != 0)
             : json_is_number(v) && fabs(json_number_value(v) - value) <= 1e-6 * fabs(value))
        return;
    snprintf(wanted, sizeof wanted, "%.10g", value);
    refuse(s, PTD_CONFIG, key, v, "%s (no other is implemented)",
           !flag   ? wanted
           : value ? "true"
                   : "false");
}

static json_t *parse(const char *file, const char *json)
{
    json_error_t e;
    json_t *root = ptd_json_load(json, strlen(json), JSON_REJECT_DUPLICATES, &e);
    if (!root) {
        ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", file, e.line, e.column, e.text);
    } else if (!json_is_object(root)) {
        json_decref(root);
        root = NULL;
        ptd_fail(PTD_DATAERR, "%s: expected a JSON object", file);
    }
    return root;
}

/* ---- config.json ---- */

static void read_rotary(struct ptd_config *c, const struct source *text)
{
    int newer = get(text, "rope_parameters") != NULL;
    struct source rope = newer ? inside(text, "rope_parameters", "text_config.rope_parameters.")
                               : inside(text, "rope_scaling", "text_config.rope_scaling.");
    const json_t *sections = get(&rope, "mrope_section"),
                 *interleaved = get(&rope, "mrope_interleaved");
    c->rope_theta = number(newer ? &rope : text, "rope_theta", 1, 1e12);
    only_text(&rope, "rope_type", "default", 1);
    if (newer && get(text, "rope_scaling")) {
        struct source older = inside(text, "rope_scaling", "text_config.rope_scaling.");
        only_text(&older, "rope_type", "default", 1);
    }
    if (!json_is_boolean(interleaved))
        refuse(&rope, PTD_DATAERR, "mrope_interleaved", interleaved, "true");
    only_number(&rope, "mrope_interleaved", 1);
    for (int i = 0; i < 3; i++) {
        const json_t *v = json_array_get(sections, i);
        if (json_array_size(sections) != 3 || !in_range(v, 0, 4096))
            refuse(&rope, PTD_DATAERR, "mrope_section", sections,
                   "three whole numbers from 0 to 4096");
        c->mrope_section[i] = json_integer_value(v);
    }
}

static void read_text(struct ptd_config *c, const struct source *s)
{
    only_text(s, "model_type", "qwen3_vl_text", 0);
    only_text(s, "hidden_act", "silu", 1);
    only_number(s, "attention_bias", 0);
    only_number(s, "attention_dropout", 0);
    only_number(s, "use_sliding_window", 0);
    c->vocab = whole(s, "vocab_size", 2, 1 << 21);
    c->hidden = whole(s, "hidden_size", 1, 65536);
    c->layers = whole(s, "num_hidden_layers", 1, 1024);
    c->heads = whole(s, "num_attention_heads", 1, 1024);
    c->kv_heads = whole(s, "num_key_value_heads", 1, 1024);
    c->head_dim = whole(s, "head_dim", 2, 1024);
    c->intermediate = whole(s, "intermediate_size", 1, 1 << 18);
    if (get(s, "max_position_embeddings"))
        c->positions = whole(s, "max_position_embeddings", 1, 1 << 30);
    c->rms_eps = number(s, "rms_norm_eps", 1e-12, 0.1);
    c->init_std = number(s, "initializer_range", 0, 10);
    if (c->head_dim % 2) refuse(s, PTD_DATAERR, "head_dim", get(s, "head_dim"), "an even number");
    if (c->heads % c->kv_heads)
        refuse(s, PTD_DATAERR, "num_key_value_heads", get(s, "num_key_value_heads"),
               "a divisor of num_attention_heads (%d)", c->heads);
    read_rotary(c, s);
}

static void read_deepstack(struct ptd_config *c, const struct source *s)
{
    const char *key = "deepstack_visual_indexes";
    const json_t *list = get(s, key);
    size_t most = c->layers < PTD_DEEPSTACK_MAX ? c->layers : PTD_DEEPSTACK_MAX;
    if (!json_is_array(list) || json_array_size(list) > most) {
        refuse(s, PTD_DATAERR, key, list, "a list of at most %zu vision blocks", most);
        return;
    }
    c->n_deepstack = json_array_size(list);
    for (int i = 0, least = 0; i < c->n_deepstack; i++) {
        const json_t *v = json_array_get(list, i);
        if (!in_range(v, least, c->v_depth - 1)) {
            refuse(s, PTD_DATAERR, key, v, "increasing whole numbers below depth (%d)", c->v_depth);
            return;
        }
        c->deepstack[i] = json_integer_value(v);
        least = c->deepstack[i] + 1;
    }
}

static void check_vision(const struct ptd_config *c, const struct source *s)
{
    int side = (int)lrint(sqrt(c->v_positions));
    if (c->v_hidden % c->v_heads || c->v_hidden / c->v_heads % 4)
        refuse(s, PTD_DATAERR, "hidden_size", get(s, "hidden_size"),
               "a multiple of 4 * num_heads (%d)", 4 * c->v_heads);
    if (side * side != c->v_positions)
        refuse(s, PTD_DATAERR, "num_position_embeddings", get(s, "num_position_embeddings"),
               "a square number");
    if (c->v_out != c->hidden)
        refuse(s, PTD_DATAERR, "out_hidden_size", get(s, "out_hidden_size"),
               "text_config.hidden_size (%d)", c->hidden);
}

/* Files of newer library versions say here what the reference implementation has no other value
 * for. */
static void check_vision_rotary(const struct source *s)
{
    if (!get(s, "rope_parameters")) return;
    struct source rope = inside(s, "rope_parameters", "vision_config.rope_parameters.");
    const char *type = json_string_value(get(&rope, "rope_type"));
    only_number(&rope, "rope_theta", 10000);
    if (!type || strcmp(type, "default") != 0) only_text(&rope, "rope_type", "axial", 0);
}

static void read_vision(struct ptd_config *c, const struct source *s)
{
    const char *type = json_string_value(get(s, "model_type"));
    if (!type || strcmp(type, "qwen3_vl_vision") != 0) only_text(s, "model_type", "qwen3_vl", 0);
    check_vision_rotary(s);
    only_text(s, "hidden_act", "gelu_pytorch_tanh", 1);
    c->v_depth = whole(s, "depth", 1, 1024);
    c->v_hidden = whole(s, "hidden_size", 4, 65536);
    c->v_heads = whole(s, "num_heads", 1, 1024);
    c->v_intermediate = whole(s, "intermediate_size", 1, 1 << 18);
    c->v_channels = whole(s, "in_channels", 3, 3);
    c->v_patch = whole(s, "patch_size", 1, 256);
    c->v_temporal = whole(s, "temporal_patch_size", 1, 16);
    c->v_merge = whole(s, "spatial_merge_size", 1, 16);
    c->v_positions = whole(s, "num_position_embeddings", 1, 1 << 20);
    c->v_out = whole(s, "out_hidden_size", 1, 65536);
    check_vision(c, s);
    read_deepstack(c, s);
}

static void read_eos(struct ptd_config *c, const struct source *s)
{
    const json_t *v = get(s, "eos_token_id");
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!n || n > PTD_STOP_MAX)
        refuse(s, PTD_DATAERR, "eos_token_id", v, "one to %d token ids", PTD_STOP_MAX);
    for (size_t i = 0; i < n && i < PTD_STOP_MAX; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        if (!in_range(id, 0, c->vocab - 1))
            refuse(s, PTD_DATAERR, "eos_token_id", id, "a token id below vocab_size (%d)",
                   c->vocab);
        c->eos[i] = json_integer_value(id);
    }
    c->n_eos = n;
}

/* The top level alone decides, and where it does not say there is a head: as in the reference
 * implementation. */
static int read_tied(const struct source *top)
{
    const json_t *v = get(top, "tie_word_embeddings");
    if (v && !json_is_boolean(v))
        refuse(top, PTD_DATAERR, "tie_word_embeddings", v, "true or false");
    return json_is_true(v);
}

static void read_ids(struct ptd_config *c, const struct source *top)
{
    int *const id[] = {&c->image_token, &c->video_token, &c->vision_start, &c->vision_end};
    static const char *const key[] = {"image_token_id", "video_token_id", "vision_start_token_id",
                                      "vision_end_token_id"};
    for (int i = 0; i < 4; i++) {
        *id[i] = whole(top, key[i], 0, c->vocab - 1);
        for (int j = 0; j < i; j++)
            if (*id[i] == *id[j])
                refuse(top, PTD_DATAERR, key[i], get(top, key[i]), "an id other than %s", key[j]);
    }
}

static void check_architecture(const struct source *top)
{
    static const char ours[] = "Qwen3VLForConditionalGeneration";
    const json_t *list = get(top, "architectures"), *quantized = get(top, "quantization_config");
    const char *name = json_string_value(json_array_get(list, 0));
    only_text(top, "model_type", "qwen3_vl", 1);
    if (list && (!name || json_array_size(list) != 1))
        refuse(top, PTD_DATAERR, "architectures", list, "a list of one name");
    else if (list && strcmp(name, ours) != 0)
        refuse(top, PTD_CONFIG, "architectures", json_array_get(list, 0),
               "\"%s\" (no other is implemented)", ours);
    if (quantized)
        refuse(top, PTD_CONFIG, "quantization_config", quantized, "none (no quantized weights)");
}

/* The format that the weights were published in, where the file says it. */
static int read_dtype(const struct source *top, const struct source *text)
{
    static const char *const names[] = {"float32", "bfloat16",
                                        "float16"}; /* in ptd_dtype's order, from 1 on */
    const struct source *const at[] = {top, top, text, text};
    for (int i = 0; i < 4; i++) {
        const json_t *v = get(at[i], i % 2 ? "torch_dtype" : "dtype");
        const char *name = json_string_value(v);
        for (int j = 0; j < 3 && name; j++)
            if (!strcmp(name, names[j])) return j + 1;
    }
    return 0;
}

int ptd_config_parse(struct ptd_config *c, const char *json, const char *generation)
{
    int failed = 0;
    json_t *root = parse("config.json", json);
    json_t *gen = root && generation ? parse("generation_config.json", generation) : NULL;
    memset(c, 0, sizeof *c);
    if (!root || (generation && !gen)) {
        json_decref(root);
        return -1;
    }
    struct source top = {"config.json", "", root, &failed};
    struct source stop = {"generation_config.json", "", gen, &failed};
    check_architecture(&top);
    struct source text = inside(&top, "text_config", "text_config.");
    struct source vision = inside(&top, "vision_config", "vision_config.");
    read_text(c, &text);
    read_vision(c, &vision);
    read_ids(c, &top);
    c->tied = read_tied(&top);
    c->text_tied = json_is_true(get(&text, "tie_word_embeddings"));
    c->dtype = read_dtype(&top, &text);
    read_eos(c, gen && get(&stop, "eos_token_id") ? &stop : &text);
    json_decref(root);
    json_decref(gen);
    return failed ? -1 : 0;
}

/* ---- preprocessor_config.json ---- */

static void read_colours(const struct source *s, const char *key, double lo, float *out)
{
    const json_t *list = get(s, key);
    for (int i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);
        double x = json_number_value(v);
        if (json_array_size(list) != 3 || !json_is_number(v) || !(x >= lo && x <= 1))
            refuse(s, PTD_DATAERR, key, list, "three numbers from %g to 1", lo);
        out[i] = x;
    }
}

/* size.shortest_edge and size.longest_edge are counts of pixels, whatever their names say. */
static void read_pixels(struct ptd_image_rules *r, const struct source *s)
{
    long least = (long)r->patch * r->merge * r->patch * r->merge, most = 1L << 30;
    struct source size = {s->file, "size.", json_object_get(s->object, "size"), s->failed};
    int own_min = get(s, "min_pixels") != NULL, own_max = get(s, "max_pixels") != NULL;
    if ((!own_min || !own_max) && !*s->failed) size = inside(s, "size", "size.");
    r->min_pixels =
        own_min ? whole(s, "min_pixels", 1, most) : whole(&size, "shortest_edge", 1, most);
    r->max_pixels =
        own_max ? whole(s, "max_pixels", least, most) : whole(&size, "longest_edge", least, most);
    if (r->min_pixels > r->max_pixels)
        refuse(own_min ? s : &size, PTD_DATAERR, own_min ? "min_pixels" : "shortest_edge",
               get(own_min ? s : &size, own_min ? "min_pixels" : "shortest_edge"),
               "at most the upper bound of pixels (%ld)", r->max_pixels);
}

static enum ptd_resample read_resample(const struct source *s)
{
    /* in the enum's order */
    static const char *const words[] = {"pillow", "torchvision", "pillow-13"};
    const json_t *own = get(s, "ptd_resample");
    const char *word = json_string_value(own);
    for (int i = 0; i < 3 && word; i++)
        if (!strcmp(word, words[i])) return i;
    if (own)
        refuse(s, PTD_DATAERR, "ptd_resample", own, "\"pillow\", \"pillow-13\" or \"torchvision\"");
    return PTD_TORCHVISION;
}

int ptd_image_rules_parse(struct ptd_image_rules *r, const char *json)
{
    int failed = 0;
    json_t *root = parse("preprocessor_config.json", json);
    struct source s = {"preprocessor_config.json", "", root, &failed};
    memset(r, 0, sizeof *r);
    if (!root) return -1;
    if (get(&s, "image_processor")) {
        s.file = "processor_config.json";
        s = inside(&s, "image_processor", "image_processor.");
    }
    r->file = s.file;
    r->patch = whole(&s, "patch_size", 1, 256);
    r->merge = whole(&s, "merge_size", 1, 16);
    r->temporal = whole(&s, "temporal_patch_size", 1, 16);
    read_pixels(r, &s);
    read_colours(&s, "image_mean", 0, r->mean);
    read_colours(&s, "image_std", 1e-3, r->std);
    r->resample = read_resample(&s);
    only_number(&s, "do_resize", 1);
    only_number(&s, "do_rescale", 1);
    only_number(&s, "do_normalize", 1);
    only_number(&s, "rescale_factor", 1.0 / 255);
    only_number(&s, "resample", 3);
    json_decref(root);
    return failed ? -1 : 0;
}

static int same(const char *file, const char *key, int config, int rules)
{
    if (config == rules) return 0;
    return ptd_fail(PTD_DATAERR, "%s: field \"%s\": found %d, expected %d as config.json has it",
                    file, key, rules, config);
}

int ptd_config_check_rules(const struct ptd_config *c, const struct ptd_image_rules *r)
{
    if (same(r->file, "patch_size", c->v_patch, r->patch) < 0) return -1;
    if (same(r->file, "merge_size", c->v_merge, r->merge) < 0) return -1;
    return same(r->file, "temporal_patch_size", c->v_temporal, r->temporal);
}

const char *ptd_image_rules_choose(const char *preprocessor, const char *processor)
{
    json_t *root = processor ? ptd_json_load(processor, strlen(processor), 0, NULL) : NULL;
    const json_t *rules = json_object_get(root, "image_processor");
    int has = rules && !json_is_null(rules);
    json_decref(root);
    return has ? processor : preprocessor;
}

char *ptd_image_rules_file(struct ptd_store *s)
{
    char *one = ptd_store_get_meta(s, "preprocessor_config.json", NULL),
         *two = ptd_store_get_meta(s, "processor_config.json", NULL);
    const char *chosen = ptd_image_rules_choose(one, two);
    if (chosen == one) {
        free(two);
        return one;
    }
    free(one);
    return two;
}
