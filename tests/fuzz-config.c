/* Fuzzing entry: any text as config.json, as generation_config.json beside a sound config, and as
 * preprocessor_config.json. What is accepted must be a model that can be laid out. Built by `make
 * fuzz` for libFuzzer; the same file serves AFL++. */
#include "net/model.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void lay_out(const struct ptd_config *c, const struct ptd_image_rules *r)
{
    struct ptd_model *m = ptd_model_plan(c, r, NULL);
    size_t sum = 0;
    for (int i = 0; i < m->n_params; i++) {
        if (m->params[i].offset != sum || !m->params[i].n) abort();
        sum += m->params[i].n;
    }
    if (sum != m->n_weights) abort();
    ptd_model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_config c;
    struct ptd_image_rules r = {0};
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    if (ptd_config_parse(&c, text, NULL) == 0) {
        if (c.n_eos < 1 || c.n_eos > PTD_STOP_MAX || c.n_deepstack > PTD_DEEPSTACK_MAX) abort();
        if (c.layers <= 64 && c.v_depth <= 64) lay_out(&c, &r);
    }
    if (ptd_config_parse(&c, ptd_builtin("tiny/config.json", NULL), text) == 0 && c.n_eos < 1)
        abort();
    if (ptd_image_rules_parse(&r, text) == 0 && (r.patch < 1 || r.min_pixels > r.max_pixels))
        abort();
    free(text);
    return 0;
}
