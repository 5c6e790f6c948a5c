/* trained: see trained.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "method/trained.h"
#include <pcre2.h>
#include <string.h>

static int is_adapter(void *ctx, const struct ptd_param *p)
{
    (void)ctx;
    return p->adapter;
}

static int is_text(void *ctx, const struct ptd_param *p)
{
    (void)ctx;
    return !strncmp(p->name, "model.language_model.", 21) || !strncmp(p->name, "lm_head.", 8);
}

static int is_any(void *ctx, const struct ptd_param *p)
{
    (void)ctx, (void)p;
    return 1;
}

static const struct {
    const char *name;
    int (*is)(void *ctx, const struct ptd_param *p);
} kinds[] = {{"lora", is_adapter}, {"text", is_text}, {"all", is_any}};
enum { LORA, TEXT, ALL, KINDS };

struct pattern {
    pcre2_code *code;
    pcre2_match_data *found;
    int stuck; /* a code of PCRE2's */
};

static int is_named(void *ctx, const struct ptd_param *p)
{
    struct pattern *x = ctx;
    int rc = pcre2_match(x->code, (PCRE2_SPTR)p->name, PCRE2_ZERO_TERMINATED, 0, 0, x->found, NULL);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) x->stuck = rc;
    return rc >= 0;
}

static int choose_named(struct ptd_model *m, const char *text)
{
    int code, rc = 0;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128];
    struct pattern x = {.code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                              PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &code,
                                              &at, NULL)};
    if (!x.code) {
        pcre2_get_error_message(code, why, sizeof why);
        return ptd_fail(PTD_USAGE,
                        "--train \"%.80s\": expected lora, text, all or a regular expression; "
                        "character %zu: %s",
                        text, (size_t)at + 1, (char *)why);
    }
    x.found = pcre2_match_data_create_from_pattern(x.code, NULL);
    if (!x.found) ptd_die(PTD_OSERR, "out of memory for a regular expression");
    ptd_model_choose(m, is_named, &x);
    if (x.stuck) rc = ptd_fail(PTD_USAGE, "--train \"%.80s\": takes too long", text);
    pcre2_match_data_free(x.found);
    pcre2_code_free(x.code);
    return rc;
}

const char *ptd_trained_choose(struct ptd_model *m, const char *what)
{
    int i = 0, rc = 0;
    if (!what) what = kinds[m->adapters ? LORA : ALL].name;
    while (i < KINDS && strcmp(kinds[i].name, what) != 0) i++;
    if (i == LORA && !m->adapters) {
        ptd_fail(PTD_CONFIG, "--train lora: the store has no adapter: expected one that ptd-init "
                             "--lora made");
        return NULL;
    }
    if (i < KINDS)
        ptd_model_choose(m, kinds[i].is, NULL);
    else
        rc = choose_named(m, what);
    if (rc == 0 && !m->n_weights)
        rc = ptd_fail(PTD_USAGE, "--train \"%.80s\": matches no parameter", what);
    return rc < 0 ? NULL : what;
}

int ptd_trained_check(const struct ptd_model *m, struct ptd_store *s, int64_t generation,
                      const char *what)
{
    for (int i = 0; generation && i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        int held = ptd_store_holds(s, generation, p->name);
        if (held == p->trained) continue;
        return ptd_fail(PTD_CONFIG,
                        "%s: the run has %s %s so far, and --train %.80s would %s it: expected the "
                        "--train that it began with, or a new store (ptd-init --from-store)",
                        ptd_store_path(s), held ? "trained" : "frozen", p->name, what,
                        held ? "freeze" : "train");
    }
    return 0;
}
