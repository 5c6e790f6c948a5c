/* adapter: see adapter.h. The product itself is an operation. */
#include "net/adapter.h"
#include "net/net.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the matrices there are ---- */

struct sites {
    struct ptd_site *at;
    int n;
};

static void add(struct sites *s, struct ptd_linear *l, int first, int out, const char *prefix,
                const char *name)
{
    s->at = ptd_realloc(s->at, (size_t)(s->n + 1) * sizeof *s->at);
    struct ptd_site *site = &s->at[s->n++];
    *site = (struct ptd_site){.linear = l, .first = first, .out = out};
    snprintf(site->name, sizeof site->name, "%s%s", prefix, name);
}

static void add_whole(struct sites *s, struct ptd_linear *l, const char *prefix, const char *name)
{
    add(s, l, 0, l->weight.rows, prefix, name);
}

static void add_merger(struct sites *s, struct ptd_merger *g, const char *prefix)
{
    add_whole(s, &g->fc1, prefix, "linear_fc1");
    add_whole(s, &g->fc2, prefix, "linear_fc2");
}

static void add_vision(struct sites *s, const struct ptd_model *m)
{
    struct ptd_layout *l = m->layout;
    char prefix[64];
    for (int i = 0; i < m->config.v_depth; i++) {
        struct ptd_vision_block *b = &l->blocks[i];
        snprintf(prefix, sizeof prefix, "model.visual.blocks.%d.", i);
        add_whole(s, &b->qkv, prefix, "attn.qkv");
        add_whole(s, &b->proj, prefix, "attn.proj");
        add_whole(s, &b->fc1, prefix, "mlp.linear_fc1");
        add_whole(s, &b->fc2, prefix, "mlp.linear_fc2");
    }
    add_merger(s, &l->merger, "model.visual.merger.");
    for (int i = 0; i < m->config.n_deepstack; i++) {
        snprintf(prefix, sizeof prefix, "model.visual.deepstack_merger_list.%d.", i);
        add_merger(s, &l->deepstack[i], prefix);
    }
}

static void add_text(struct sites *s, const struct ptd_model *m)
{
    const struct ptd_config *c = &m->config;
    int I = c->intermediate, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    char prefix[64];
    for (int i = 0; i < c->layers; i++) {
        struct ptd_lm_layer *a = &m->layout->layers[i];
        snprintf(prefix, sizeof prefix, "model.language_model.layers.%d.", i);
        add(s, &a->qkv, 0, q, prefix, "self_attn.q_proj");
        add(s, &a->qkv, q, kv, prefix, "self_attn.k_proj");
        add(s, &a->qkv, q + kv, kv, prefix, "self_attn.v_proj");
        add_whole(s, &a->o, prefix, "self_attn.o_proj");
        add(s, &a->gate_up, 0, I, prefix, "mlp.gate_proj");
        add(s, &a->gate_up, I, I, prefix, "mlp.up_proj");
        add_whole(s, &a->down, prefix, "mlp.down_proj");
    }
}

struct ptd_site *ptd_model_sites(const struct ptd_model *m, int *n)
{
    struct sites s = {0};
    add_vision(&s, m);
    add_text(&s, m);
    *n = s.n;
    return s.at;
}

/* ---- targets ---- */

static int means_any(const struct ptd_lora *l, int target, const struct ptd_site *s, int n)
{
    for (int i = 0; i < n; i++)
        if (ptd_lora_means(l, target, s[i].name, 1)) return 1;
    return 0;
}

static int check_targets(const struct ptd_lora *l, const struct ptd_site *s, int n)
{
    int found = 0;
    for (int t = 0; t < l->n_names; t++)
        if (!means_any(l, t, s, n))
            return ptd_fail(PTD_USAGE, "targets: \"%.80s\" is the name of no matrix of a layer",
                            l->name[t]);
    for (int i = 0; i < n; i++) {
        int rc = ptd_lora_wants(l, s[i].name, 1);
        if (rc < 0) return -1;
        found += rc;
    }
    return found
               ? 0
               : ptd_fail(PTD_USAGE, "targets: \"%.80s\" matches no matrix of a layer", l->pattern);
}

static int is_site(const struct ptd_site *s, int n, const char *module)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(s[i].name, module)) return 1;
    return 0;
}

/* The embedding, norms and the like have no adapter here. */
static int check_others(const struct ptd_model *m, const struct ptd_lora *l,
                        const struct ptd_site *s, int n)
{
    for (int i = 0; i < m->n_params; i++) {
        char module[96];
        const char *name = m->params[i].name, *end = strrchr(name, '.');
        snprintf(module, sizeof module, "%.*s", (int)(end - name), name);
        int rc = is_site(s, n, module) ? 0 : ptd_lora_wants(l, module, 0);
        if (rc < 0) return -1;
        if (rc)
            return ptd_fail(PTD_USAGE,
                            "targets: mean \"%s\", too, expected matrices of layers alone", module);
    }
    return 0;
}

/* ---- parameters ---- */

/* The part that a linear belongs to. */
static int part_of(const struct ptd_model *m, const struct ptd_linear *l)
{
    int i = 0;
    while (m->params[i].matrix != l) i++;
    return m->params[i].part;
}

static void add_param(struct ptd_model *m, struct ptd_weight *role, const char *module,
                      const char *which, int part, int rows, int cols)
{
    m->params = ptd_realloc(m->params, (size_t)(m->n_params + 1) * sizeof *m->params);
    struct ptd_param *p = &m->params[m->n_params++];
    *p = (struct ptd_param){.n_dims = 2,
                            .dims = {rows, cols},
                            .n = (size_t)rows * (size_t)cols,
                            .trained = 1,
                            .adapter = 1,
                            .offset = m->n_weights,
                            .role = role,
                            .dtype = m->device ? m->device->num : PTD_F32};
    snprintf(p->name, sizeof p->name, "%s.%s.weight", module, which);
    p->part = part;
    m->n_weights += p->n;
}

/* One for the neighbours s[0 .. n) of a linear that are wanted. */
static void add_adapter(struct ptd_model *m, const struct ptd_site *const *s, int n)
{
    struct ptd_adapters *all = m->adapters;
    struct ptd_adapter *a = &all->at[all->n++];
    int rank = all->lora.rank, in = s[0]->linear->weight.cols, part = part_of(m, s[0]->linear);
    a->at = s[0]->linear;
    a->low = (struct ptd_low_rank){.in = in,
                                   .wide = a->at->weight.rows,
                                   .rank = rank,
                                   .n = n,
                                   .scale = (float)ptd_lora_scale(&all->lora),
                                   .parts = a->part};
    for (int i = 0; i < n; i++) {
        a->part[i] = (struct ptd_low_rank_part){.first = s[i]->first, .out = s[i]->out};
        add_param(m, &a->A[i], s[i]->name, "lora_A", part, rank, in);
    }
    for (int i = 0; i < n; i++) add_param(m, &a->B[i], s[i]->name, "lora_B", part, s[i]->out, rank);
}

int ptd_model_adapt(struct ptd_model *m, struct ptd_lora *l)
{
    const struct ptd_site *wanted[PTD_ADAPTED];
    int n, k;
    struct ptd_site *s = ptd_model_sites(m, &n);
    if (check_targets(l, s, n) < 0 || check_others(m, l, s, n) < 0) {
        free(s);
        return -1;
    }
    m->adapters = ptd_alloc(sizeof *m->adapters);
    m->adapters->lora = *l;
    *l = (struct ptd_lora){0};
    m->adapters->at = ptd_array((size_t)n, sizeof *m->adapters->at);
    for (int i = 0; i < n;) {
        const struct ptd_linear *at = s[i].linear;
        for (k = 0; i < n && s[i].linear == at; i++)
            if (ptd_lora_wants(&m->adapters->lora, s[i].name, 1)) wanted[k++] = &s[i];
        if (k) add_adapter(m, wanted, k);
    }
    free(s);
    return 0;
}

/* ---- memory ---- */

static int is_zero(struct ptd_device *d, const ptd_num *x, size_t n)
{
    float *host = ptd_array(n, sizeof *host);
    size_t i = 0;
    d->ops->get_nums(d, host, x, n);
    while (i < n && host[i] == 0) i++;
    free(host);
    return i == n;
}

/* Frozen parameters of this one, whose B are all 0. */
static int is_idle(struct ptd_model *m, const struct ptd_adapter *a)
{
    for (int i = 0; i < m->n_params; i++) {
        const struct ptd_param *p = &m->params[i];
        for (int k = 0; k < a->low.n; k++)
            if ((p->role == &a->A[k] || p->role == &a->B[k]) && p->trained) return 0;
    }
    for (int k = 0; k < a->low.n; k++)
        if (!is_zero(m->device, a->B[k].value, (size_t)a->part[k].out * a->low.rank)) return 0;
    return 1;
}

void ptd_adapters_bind(struct ptd_model *m)
{
    for (int i = 0; m->adapters && i < m->adapters->n; i++) {
        struct ptd_adapter *a = &m->adapters->at[i];
        for (int k = 0; k < a->low.n; k++) {
            a->part[k].A = a->A[k].value;
            a->part[k].B = a->B[k].value;
            a->part[k].dA = a->A[k].gradient;
            a->part[k].dB = a->B[k].gradient;
        }
        a->at->adapter = is_idle(m, a) ? NULL : a;
    }
}

void ptd_adapters_free(struct ptd_adapters *a)
{
    if (!a) return;
    ptd_lora_clear(&a->lora);
    free(a->at);
    free(a);
}
