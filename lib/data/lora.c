/* lora: see lora.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/lora.h"
#include "base/json.h"
#include <errno.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL     "all-linear"
#define EFFORT  100000 /* steps of a regular expression at one name */
#define BELIEVE 1e6    /* no larger alpha */

double ptd_lora_scale(const struct ptd_lora *l)
{
    return l->alpha / (l->rslora ? sqrt(l->rank) : l->rank);
}

/* ---- targets ---- */

static void add_name(struct ptd_lora *l, const char *name, size_t n)
{
    l->name = ptd_realloc(l->name, (size_t)(l->n_names + 1) * sizeof *l->name);
    l->name[l->n_names++] = ptd_format("%.*s", (int)n, name);
}

static void drop_targets(struct ptd_lora *l)
{
    for (int i = 0; i < l->n_names; i++) free(l->name[i]);
    free(l->name);
    free(l->pattern);
    pcre2_code_free(l->code);
    l->name = NULL;
    l->n_names = 0;
    l->pattern = NULL;
    l->code = NULL;
}

void ptd_lora_list(struct ptd_lora *l, const char *const *modules, int n)
{
    drop_targets(l);
    for (int i = 0; i < n; i++) add_name(l, modules[i], strlen(modules[i]));
}

void ptd_lora_clear(struct ptd_lora *l)
{
    drop_targets(l);
    free(l->base);
    memset(l, 0, sizeof *l);
}

static int set_pattern(struct ptd_lora *l, const char *text, int status, const char *where)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];
    l->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &code, &at, NULL);
    l->pattern = ptd_strdup(text);
    if (l->code) return 0;
    pcre2_get_error_message(code, why, sizeof why);
    return ptd_fail(status, "%s: \"%.80s\", character %zu: %s", where, text, (size_t)at + 1,
                    (char *)why);
}

/* Names with commas between them; -1: there is more in it than names. */
static int add_names(struct ptd_lora *l, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.-,";
    if (strspn(text, letters) != strlen(text)) return -1;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        if (n) add_name(l, at, n);
        if (!*(at += n)) break;
    }
    return 0;
}

static int is_meant(const char *target, const char *module, int linear)
{
    size_t n = strlen(target), m = strlen(module);
    if (!strcmp(target, ALL)) return linear;
    return m >= n && !strcmp(module + m - n, target) && (m == n || module[m - n - 1] == '.');
}

int ptd_lora_means(const struct ptd_lora *l, int i, const char *module, int linear)
{
    return is_meant(l->name[i], module, linear);
}

/* 1, 0, or a code of PCRE2's. */
static int matches(const struct ptd_lora *l, const char *module)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *found = pcre2_match_data_create_from_pattern(l->code, NULL);
    if (!limits || !found) ptd_die(PTD_OSERR, "out of memory for a regular expression");
    pcre2_set_match_limit(limits, EFFORT);
    int rc = pcre2_match(l->code, (PCRE2_SPTR)module, strlen(module), 0, 0, found, limits);
    pcre2_match_data_free(found);
    pcre2_match_context_free(limits);
    return rc == PCRE2_ERROR_NOMATCH ? 0 : rc >= 0 ? 1 : rc;
}

int ptd_lora_wants(const struct ptd_lora *l, const char *module, int linear)
{
    for (int i = 0; i < l->n_names; i++)
        if (ptd_lora_means(l, i, module, linear)) return 1;
    int rc = l->pattern ? matches(l, module) : 0;
    if (rc >= 0) return rc;
    return ptd_fail(PTD_USAGE, "targets \"%.80s\": takes too long at \"%.128s\"", l->pattern,
                    module);
}

/* ---- an option ---- */

static int refuse(const char *key, const char *value, const char *expected)
{
    return ptd_fail(PTD_USAGE, "--lora: %s \"%.40s\", expected %s", key, value, expected);
}

static int set_number(struct ptd_lora *l, const char *key, const char *value)
{
    char *end;
    errno = 0;
    double x = strtod(value, &end);
    int whole = x == floor(x), bad = end == value || *end || errno || !isfinite(x);
    if (!strcmp(key, "rank") || !strcmp(key, "r")) {
        if (bad || !whole || x < 1 || x > PTD_LORA_MOST)
            return refuse(key, value, "a whole number from 1 to 1024");
        l->rank = (int)x;
        return 0;
    }
    if (bad || x <= 0 || x > BELIEVE) return refuse(key, value, "a number above 0");
    l->alpha = x;
    return 0;
}

static int set_item(struct ptd_lora *l, const char *key, const char *value)
{
    if (!strcmp(key, "rank") || !strcmp(key, "r") || !strcmp(key, "alpha"))
        return set_number(l, key, value);
    if (!strcmp(key, "rslora")) {
        l->rslora = strcmp(value, "0") != 0;
        return *value && strcmp(value, "0") && strcmp(value, "1") ? refuse(key, value, "0 or 1")
                                                                  : 0;
    }
    if (!strcmp(key, "dora")) return ptd_fail(PTD_USAGE, "--lora: DoRA is not implemented");
    if (!strcmp(key, "dropout")) return ptd_fail(PTD_USAGE, "--lora: dropout is not implemented");
    return ptd_fail(PTD_USAGE,
                    "--lora: found \"%.40s\", expected items rank=N, alpha=X, rslora, and "
                    "targets=... at the end, with commas between them",
                    key);
}

static int set_targets(struct ptd_lora *l, const char *text)
{
    if (add_names(l, text) < 0) return set_pattern(l, text, PTD_USAGE, "--lora: targets");
    return l->n_names ? 0 : ptd_fail(PTD_USAGE, "--lora: targets: names none");
}

/* "rank=16,rslora,targets=..." in `text`, which is cut into its items. */
static int read_items(struct ptd_lora *l, char *text)
{
    while (text && *text) {
        if (!strncmp(text, "targets=", 8)) return set_targets(l, text + 8);
        char *item = strsep(&text, ","), *value = strchr(item, '=');
        if (value) *value++ = 0;
        if (set_item(l, item, value ? value : "") < 0) return -1;
    }
    return set_targets(l, PTD_LORA_TARGETS);
}

int ptd_lora_parse(struct ptd_lora *l, const char *option)
{
    char *text = ptd_strdup(option);
    *l = (struct ptd_lora){.rank = PTD_LORA_RANK};
    int rc = read_items(l, text);
    if (rc == 0 && l->alpha == 0) l->alpha = 2 * l->rank;
    if (rc < 0) ptd_lora_clear(l);
    free(text);
    return rc;
}

/* ---- PEFT's file ---- */

static int is_empty(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_object(v) && !json_object_size(v)) ||
           (json_is_array(v) && !json_array_size(v)) ||
           (json_is_string(v) && !*json_string_value(v));
}

/* Each would change what is computed. */
static const char *const absent[] = {
    "use_dora",          "use_qalora",        "use_bdlora",    "lora_bias",
    "fan_in_fan_out",    "modules_to_save",   "rank_pattern",  "alpha_pattern",
    "target_parameters", "layer_replication", "arrow_config",  "trainable_token_indices",
    "kasa_config",       "monteclora_config", "velora_config", "alora_invocation_tokens"};
/* What A and B begin as; others change the base, too. */
static const char *const beginnings[] = {"gaussian", "orthogonal", "eva"};

static int not_done(const char *file, const char *key, const json_t *v)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    int is_dora = !strcmp(key, "use_dora");
    ptd_fail(PTD_CONFIG, "%s: field \"%s\": %.60s: %s not implemented", file, key, text,
             is_dora ? "DoRA is" : "this is");
    free(text);
    return -1;
}

static int check_beginning(const char *file, const json_t *v)
{
    const char *name = json_string_value(v);
    if (!name) return 0;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (!strcmp(name, beginnings[i])) return 0;
    return not_done(file, "init_lora_weights", v);
}

static int check_kind(const char *file, const json_t *root)
{
    const json_t *kind = json_object_get(root, "peft_type"), *bias = json_object_get(root, "bias");
    if (!json_is_string(kind))
        return ptd_fail(PTD_DATAERR, "%s: field \"peft_type\": missing, expected \"LORA\"", file);
    if (strcmp(json_string_value(kind), "LORA") != 0) return not_done(file, "peft_type", kind);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (!is_empty(json_object_get(root, absent[i])))
            return not_done(file, absent[i], json_object_get(root, absent[i]));
    if (!is_empty(bias) && (!json_is_string(bias) || strcmp(json_string_value(bias), "none") != 0))
        return not_done(file, "bias", bias);
    if (json_number_value(json_object_get(root, "lora_dropout")) > 0)
        ptd_warn("%s: field \"lora_dropout\": dropout is not done here", file);
    return check_beginning(file, json_object_get(root, "init_lora_weights"));
}

static int read_numbers(struct ptd_lora *l, const char *file, const json_t *root)
{
    const json_t *r = json_object_get(root, "r"), *alpha = json_object_get(root, "lora_alpha"),
                 *rslora = json_object_get(root, "use_rslora");
    if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > PTD_LORA_MOST)
        return ptd_fail(PTD_DATAERR, "%s: field \"r\": expected a whole number from 1 to %d", file,
                        PTD_LORA_MOST);
    l->rank = (int)json_integer_value(r);
    l->alpha = json_number_value(alpha);
    if (!json_is_number(alpha) || !(l->alpha > 0) || l->alpha > BELIEVE)
        return ptd_fail(PTD_DATAERR, "%s: field \"lora_alpha\": expected a number above 0", file);
    l->rslora = json_is_true(rslora);
    if (rslora && !json_is_boolean(rslora) && !json_is_null(rslora))
        return ptd_fail(PTD_DATAERR, "%s: field \"use_rslora\": expected true or false", file);
    return 0;
}

static int read_targets(struct ptd_lora *l, const char *file, const json_t *v)
{
    const char *text = json_string_value(v);
    size_t i;
    json_t *name;
    if (text && !strcmp(text, ALL))
        add_name(l, text, strlen(text));
    else if (text)
        return set_pattern(l, text, PTD_DATAERR, file);
    json_array_foreach(v, i, name)
    {
        if (!json_is_string(name) || !*json_string_value(name)) break;
        add_name(l, json_string_value(name), json_string_length(name));
    }
    if (l->n_names && (text || i == json_array_size(v))) return 0;
    return ptd_fail(PTD_DATAERR,
                    "%s: field \"target_modules\": expected a list of names, or a text", file);
}

static int read_fields(struct ptd_lora *l, const char *file, const json_t *root)
{
    const char *base = json_string_value(json_object_get(root, "base_model_name_or_path"));
    if (check_kind(file, root) < 0 || read_numbers(l, file, root) < 0) return -1;
    if (read_targets(l, file, json_object_get(root, "target_modules")) < 0) return -1;
    if (base) l->base = ptd_strdup(base);
    return 0;
}

int ptd_lora_read(struct ptd_lora *l, const char *json, size_t len, const char *file)
{
    json_error_t e;
    json_t *root = ptd_json_load(json, len, 0, &e);
    int rc;
    *l = (struct ptd_lora){0};
    if (json_is_object(root))
        rc = read_fields(l, file, root);
    else
        rc = root ? ptd_fail(PTD_DATAERR, "%s: expected an object", file)
                  : ptd_fail(PTD_DATAERR, "%s: line %d, column %d: %s", file, e.line, e.column,
                             e.text);
    if (rc < 0) ptd_lora_clear(l);
    json_decref(root);
    return rc;
}

static json_t *targets_of(const struct ptd_lora *l)
{
    if (l->pattern) return json_string(l->pattern);
    if (l->n_names == 1 && !strcmp(*l->name, ALL)) return json_string(ALL);
    json_t *list = json_array();
    for (int i = 0; i < l->n_names; i++) json_array_append_new(list, json_string(l->name[i]));
    return list;
}

char *ptd_lora_text(const struct ptd_lora *l)
{
    json_t *alpha =
        l->alpha == floor(l->alpha) ? json_integer((json_int_t)l->alpha) : json_real(l->alpha);
    json_t *root = json_pack(
        "{s:s, s:o, s:s, s:b, s:b, s:b, s:o, s:f, s:n, s:i, s:o, s:n, s:b, s:b}", "peft_type",
        "LORA", "base_model_name_or_path", l->base ? json_string(l->base) : json_null(), "bias",
        "none", "fan_in_fan_out", 0, "inference_mode", 1, "init_lora_weights", 1, "lora_alpha",
        alpha, "lora_dropout", 0.0, "modules_to_save", "r", l->rank, "target_modules",
        targets_of(l), "task_type", "use_dora", 0, "use_rslora", l->rslora);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS), *lines;
    lines = ptd_format("%s\n", text);
    free(text);
    json_decref(root);
    return lines;
}
