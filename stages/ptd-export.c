/* ptd-export: one generation of a store as a Hugging Face folder, which transformers opens and
 * ptd-init --from takes back. Changes nothing in the store; the folder appears whole or not at all.
 *
 *     ptd-export run.ptd trained/ */
#include "base/opt.h"
#include "base/signals.h"
#include "base/threads.h"
#include "checkpoint/export.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int64_t generation, shard;
    const char *dtype;
    int merge;
} opt = {.generation = -1, .shard = 5000000000, .dtype = "stored"};

static const struct ptd_opt options[] = {
    {"generation", 'g', PTD_OPT_LONG, &opt.generation, "N", "which; -1: the newest", -1, 4e9},
    {"dtype", 0, PTD_OPT_STR, &opt.dtype, "TYPE",
     "of all tensors: bf16, f32, or stored: as they are", 0, 0},
    {"merge", 0, PTD_OPT_FLAG, &opt.merge, NULL,
     "the adapter as a part of the weights (without: a store with an adapter gives a PEFT folder)",
     0, 0},
    {"shard-size", 0, PTD_OPT_LONG, &opt.shard, "BYTES", "of a file, at most", 1, 1e15},
    {0}};
static const struct ptd_usage usage = {
    "ptd-export",
    "STORE DIR",
    "write a generation as a Hugging Face folder of safetensors",
    "ptd-export run.ptd trained/\n"
    "ptd-export run.ptd trained/ --generation 40 --dtype bf16\n"
    "ptd-export run.ptd adapter/\n"
    "ptd-export run.ptd merged/ --merge --dtype bf16",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 73 cannot create the "
    "folder, 74 i/o, 77 no permission or taken, 78 no adapter to merge, or more than that"};

static int dtype_option(void)
{
    int dtype = strcmp(opt.dtype, "stored") ? ptd_dtype_from_name(opt.dtype) : 0;
    if (strcmp(opt.dtype, "stored") && dtype != PTD_F32 && dtype != PTD_BF16)
        ptd_misuse("--dtype: found \"%.40s\", expected bf16, f32 or stored", opt.dtype);
    return dtype;
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    struct ptd_store *s;
    if (argc - first != 2) ptd_misuse("expected a store and the folder to make");
    struct ptd_export x = {.dtype = dtype_option(), .merge = opt.merge, .shard_bytes = opt.shard};
    ptd_threads_start(0);
    x.stop = ptd_stop_heed();
    if (ptd_store_open(&s, argv[first], PTD_STORE_READ) < 0 || ptd_store_head(s, &x.generation) < 0)
        ptd_die_last();
    if (opt.generation >= 0) x.generation = opt.generation;
    int rc = ptd_export(s, argv[first + 1], &x);
    ptd_store_close(s);
    if (rc < 0 && *x.stop) ptd_stop_die();
    if (rc < 0) ptd_die_last();
    ptd_info("%s: generation %" PRId64 ", %d tensors, %" PRIu64 " bytes, %d file%s",
             argv[first + 1], x.generation, x.n_tensors, x.bytes, x.n_files, ptd_plural(x.n_files));
    return 0;
}
