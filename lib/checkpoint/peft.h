/* peft: a PEFT folder, read: adapter_config.json (data/lora.h says what of it is followed) and
 * adapter_model.safetensors, as PEFT 0.21 writes it for Qwen3-VL of transformers 5. Writing is
 * export.h's.
 *
 *     if (ptd_peft_open(&p, "adapter/") < 0) ptd_die_last();
 *     if (ptd_peft_adapt(p, model) < 0) ptd_die_last();   // the model's plan gets its parameters
 *     ptd_peft_read(p, name, first, n, floats);
 *     ptd_peft_close(p);
 *
 * The modules that it adapts are those that it holds tensors of; each has an A and a B of the shape
 * that the model and the rank ask for, in BF16, F16 or F32, all finite; there is nothing else. What
 * does not fit is named (65). */
#ifndef PTD_PEFT_H
#define PTD_PEFT_H
#include "checkpoint/safetensors.h"
#include "data/lora.h"
#include "net/model.h"

#define PTD_PEFT_WEIGHTS "adapter_model.safetensors"
#define PTD_PEFT_PREFIX  "base_model.model." /* of a tensor's name, before the module's */

struct ptd_peft {
    char *dir;
    struct ptd_lora lora;
    struct ptd_safetensors *file;
};
int ptd_peft_open(struct ptd_peft **p, const char *dir) PTD_MUST_CHECK; /* 66 if there is none */
/* Before the model has memory. p->lora moves on to it. */
int ptd_peft_adapt(struct ptd_peft *p, struct ptd_model *m) PTD_MUST_CHECK;
/* n numbers of a parameter of the adapter, by the model's name of it, from number `first` on. */
int ptd_peft_read(const struct ptd_peft *p, const char *name, size_t first, size_t n,
                  float *out) PTD_MUST_CHECK;
int ptd_peft_close(struct ptd_peft *p); /* -1 if a file changed meanwhile; NULL is fine */
#endif
