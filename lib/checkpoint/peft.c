/* peft: see peft.h. What the configuration says is read by lora.c, tensors by safetensors.c. */
#include "checkpoint/peft.h"
#include "checkpoint/shards.h"
#include "net/adapter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX (1u << 20)

static int read_config(struct ptd_peft *p)
{
    char *path = ptd_format("%s/%s", p->dir, PTD_LORA_FILE), *text;
    size_t len;
    int failed = 0, rc = -1;
    text = ptd_file_text(path, CONFIG_MAX, &len, &failed);
    if (text)
        rc = ptd_lora_read(&p->lora, text, len, path);
    else if (!failed)
        ptd_fail(PTD_NOINPUT, "%s: No such file or directory", path);
    free(text);
    free(path);
    return rc;
}

int ptd_peft_open(struct ptd_peft **out, const char *dir)
{
    struct ptd_peft *p = ptd_alloc(sizeof *p);
    p->dir = ptd_strdup(dir);
    char *path = ptd_format("%s/%s", dir, PTD_PEFT_WEIGHTS);
    int rc = read_config(p);
    if (rc == 0) rc = ptd_safetensors_open(&p->file, path);
    free(path);
    *out = rc < 0 ? NULL : p;
    if (rc < 0) {
        int ignored = ptd_peft_close(p);
        (void)ignored;
    }
    return rc;
}

static const struct ptd_safetensor *find(const struct ptd_peft *p, const char *name)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s", PTD_PEFT_PREFIX, name);
    return ptd_safetensors_find(p->file, full);
}

static int refuse(const struct ptd_peft *p, const char *name, const char *what)
{
    return ptd_fail(PTD_DATAERR, "%s: tensor \"%.128s\": %s", p->file->path, name, what);
}

/* ---- the modules that it holds ---- */

static int is_there(const struct ptd_peft *p, const char *module, const char *which)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s.weight", module, which);
    return find(p, name) != NULL;
}

/* The sites that it adapts become the list of targets, unless the targets it names mean the same.
 */
static int list_modules(struct ptd_peft *p, const struct ptd_site *s, int n)
{
    const char **held = ptd_array((size_t)n + 1, sizeof *held);
    int k = 0, same = 1;
    for (int i = 0; i < n; i++) {
        int holds = is_there(p, s[i].name, "lora_A") || is_there(p, s[i].name, "lora_B");
        if (holds) held[k++] = s[i].name;
        same &= ptd_lora_wants(&p->lora, s[i].name, 1) == holds;
    }
    if (!same && k) ptd_lora_list(&p->lora, held, k);
    free(held);
    return k ? 0
             : ptd_fail(PTD_DATAERR,
                        "%s: holds no adapter of a matrix of this model, such as "
                        "\"" PTD_PEFT_PREFIX "%s.lora_A.weight\"",
                        p->file->path, s[n - 1].name);
}

static int check_param(const struct ptd_peft *p, const struct ptd_param *q)
{
    const struct ptd_safetensor *t = find(p, q->name);
    char found[256], wanted[256], words[600];
    ptd_shape_text(q->n_dims, q->dims, wanted, sizeof wanted);
    if (!t) return refuse(p, q->name, "missing");
    ptd_shape_text(t->n_dims, t->dims, found, sizeof found);
    if (strcmp(found, wanted) != 0) {
        snprintf(words, sizeof words, "shape %s, expected %s", found, wanted);
        return refuse(p, t->name, words);
    }
    return ptd_dtype_from_name(t->dtype) ? 0
                                         : refuse(p, t->name, "expected BF16, F16 or F32 numbers");
}

/* Each tensor is a parameter's. */
static int check_strangers(const struct ptd_peft *p, const struct ptd_model *m)
{
    size_t skip = strlen(PTD_PEFT_PREFIX);
    for (int i = 0; i < p->file->n; i++) {
        const char *name = p->file->tensors[i].name;
        int k = 0;
        while (k < m->n_params && (strncmp(name, PTD_PEFT_PREFIX, skip) != 0 ||
                                   !m->params[k].adapter || strcmp(name + skip, m->params[k].name)))
            k++;
        if (k == m->n_params) return refuse(p, name, "not part of an adapter of this model");
    }
    return 0;
}

int ptd_peft_adapt(struct ptd_peft *p, struct ptd_model *m)
{
    int n;
    struct ptd_site *s = ptd_model_sites(m, &n);
    int rc = list_modules(p, s, n);
    free(s);
    if (rc == 0 && (rc = ptd_model_adapt(m, &p->lora)) < 0)
        rc = ptd_fail(PTD_DATAERR, "%s/%s: %s", p->dir, PTD_LORA_FILE, ptd_failed_message());
    for (int i = 0; i < m->n_params && rc == 0; i++)
        if (m->params[i].adapter) rc = check_param(p, &m->params[i]);
    return rc == 0 ? check_strangers(p, m) : rc;
}

int ptd_peft_read(const struct ptd_peft *p, const char *name, size_t first, size_t n, float *out)
{
    const struct ptd_safetensor *t = find(p, name);
    int dtype = ptd_dtype_from_name(t->dtype);
    size_t size = ptd_dtype_size(dtype);
    void *raw = ptd_array(n, size);
    long bad = -1;
    int rc = ptd_safetensors_read(p->file, t, first * size, n * size, raw);
    if (rc == 0 && (bad = ptd_dtype_not_finite(raw, dtype, n)) >= 0)
        rc = ptd_fail(PTD_DATAERR, "%s: tensor \"%s\": value %zu is no finite number",
                      p->file->path, t->name, first + (size_t)bad);
    if (rc == 0) ptd_dtype_to_float(out, raw, dtype, n);
    free(raw);
    return rc;
}

int ptd_peft_close(struct ptd_peft *p)
{
    if (!p) return 0;
    int rc = ptd_safetensors_close(p->file);
    ptd_lora_clear(&p->lora);
    free(p->dir);
    free(p);
    return rc;
}
