/* parts: in which order backward has the gradients of a network's parts. */
#include "net/net.h"
#include <stdlib.h>

struct list {
    int *part, n;
    char *in;
};

static void add(struct list *l, int part)
{
    if (!l->in[part]) l->part[l->n++] = part;
    l->in[part] = 1;
}

static void add_vision(const struct ptd_model *m, struct list *l)
{
    const struct ptd_config *c = &m->config;
    add(l, m->layout->merger.part);
    for (int i = c->v_depth - 1, deep = c->n_deepstack - 1; i >= 0; i--) {
        if (deep >= 0 && c->deepstack[deep] == i) add(l, m->layout->deepstack[deep--].part);
        add(l, m->layout->blocks[i].part);
    }
}

void ptd_model_order(const struct ptd_model *m, int *part)
{
    struct list l = {part, 0, ptd_alloc((size_t)m->n_parts)};
    int head = ptd_model_head_part(m);
    add(&l, m->layout->norm_part);
    for (int i = m->config.layers - 1; i >= 0; i--) add(&l, m->layout->layers[i].part);
    add(&l, m->layout->embed_part);
    add_vision(m, &l);
    for (int i = 0; i < m->n_parts; i++)
        if (i != head) add(&l, i);
    add(&l, head);
    free(l.in);
}
