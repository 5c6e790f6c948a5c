/* adapter: where low-rank products (data/lora.h) belong in the network: each linear may have one,
 * for all or some of the matrices that it is made of: q, k and v, or gate and up, read one input,
 * so that their A and B are one operation.
 *
 *     if (ptd_model_adapt(m, &lora) < 0) ptd_die_last();   // after the plan, before any memory
 *     ... ptd_model_choose, ptd_model_load ...
 *
 * A parameter is named as its matrix, "lora_A.weight" or "lora_B.weight" in place of "weight":
 * behind "base_model.model." that is PEFT's name of it. They are the last parameters of a model. */
#ifndef PTD_ADAPTER_H
#define PTD_ADAPTER_H
#include "compute/ops.h"
#include "data/lora.h"
#include "net/model.h"
#include "net/linear.h"

#define PTD_ADAPTED 3 /* matrices of a linear, at most */

struct ptd_adapter {
    struct ptd_low_rank low;
    struct ptd_low_rank_part part[PTD_ADAPTED];
    struct ptd_weight A[PTD_ADAPTED], B[PTD_ADAPTED];
    struct ptd_linear *at;
};
struct ptd_adapters {
    struct ptd_lora lora;
    struct ptd_adapter *at; /* [n] */
    int n;
};

/* A matrix that may have one. */
struct ptd_site {
    char name[96]; /* of the module: "model.language_model.layers.0.self_attn.q_proj" */
    struct ptd_linear *linear;
    int first, out; /* its columns of the product */
};
struct ptd_site *ptd_model_sites(const struct ptd_model *m, int *n); /* malloc'd */

/* Adds the parameters; takes what is in *l. -1: 2, a target means no matrix, or what is none. */
int ptd_model_adapt(struct ptd_model *m, struct ptd_lora *l) PTD_MUST_CHECK;
/* The linears' adapters point at the memory there is. A frozen one whose B are all 0 adds nothing,
 * and is left out. */
void ptd_adapters_bind(struct ptd_model *m);
void ptd_adapters_free(struct ptd_adapters *a);
#endif
