/* ptd-init: a new store: from a Hugging Face folder, with random weights for a config and a seed,
 * or with one generation of another store. Trains nothing. Keeps the model's small files byte for
 * byte; publishes generation 0, pinned.
 *
 *     ptd-init run.ptd --from Qwen3-VL-2B-Instruct/ */
#include "base/opt.h"
#include "base/signals.h"
#include "base/threads.h"
#include "checkpoint/files.h"
#include "checkpoint/import.h"
#include "data/lora.h"
#include "data/template.h"
#include "net/adapter.h"
#include "net/model.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tiny[] = "tiny", as_config[] = "config";
static struct {
    const char *config, *from, *store, *tokenizer, *dtype, *template, *lora, *adapter;
    int64_t seed, generation;
} opt = {.config = tiny, .dtype = as_config, .seed = -1, .generation = -1};

static const struct ptd_opt options[] = {
    {"from", 'f', PTD_OPT_STR, &opt.from, "DIR",
     "take config files and weights from this Hugging Face folder", 0, 0},
    {"config", 'c', PTD_OPT_STR, &opt.config, "NAME",
     "random weights for a built-in model (tiny, qwen3-vl-2b, -4b, -8b) or a folder's config files",
     0, 0},
    {"seed", 0, PTD_OPT_LONG, &opt.seed, "N",
     "of the random weights, and of a new adapter's (default 0)", 0, 9e15},
    {"random", 0, PTD_OPT_LONG, &opt.seed, "N", "the same as --seed (default 0)", 0, 9e15},
    {"dtype", 0, PTD_OPT_STR, &opt.dtype, "TYPE",
     "bf16 or f32: the run's number format, which the weights are rounded to (default: "
     "weights as they come, random ones as the config says, else f32; the run in f32, or as "
     "--from-store was; f32 of a --master split: the exact weights)",
     0, 0},
    {"tokenizer", 0, PTD_OPT_STR, &opt.tokenizer, "FILE",
     "tokenizer.json for --config, plain or .gz; the Qwen3-VL models have none built in", 0, 0},
    {"template", 0, PTD_OPT_STR, &opt.template, "NAME",
     "write prompts as Qwen3-VL's instruct or thinking template, whatever template the model's "
     "files "
     "have (default: the one that they have, which must be one of the two)",
     0, 0},
    {"from-store", 0, PTD_OPT_STR, &opt.store, "DIR",
     "copy config files and weights from this store", 0, 0},
    {"generation", 'g', PTD_OPT_LONG, &opt.generation, "N", "of that store; -1: its newest", -1,
     4e9},
    {"lora", 0, PTD_OPT_STR, &opt.lora, "ITEMS", PTD_LORA_HELP, 0, 0},
    {"adapter", 0, PTD_OPT_STR, &opt.adapter, "DIR",
     "begin with the adapter of this PEFT folder, which is then trained", 0, 0},
    {0}};
static const struct ptd_usage usage = {
    "ptd-init",
    "STORE",
    "make a store from a Hugging Face folder, from a config and a seed, or from another store",
    "ptd-init run.ptd --from Qwen3-VL-2B-Instruct/\n"
    "ptd-init run.ptd --seed 7\n"
    "ptd-init big.ptd --config qwen3-vl-2b --random 1 --tokenizer tokenizer.json\n"
    "ptd-init ptd.ptd --from-store base.ptd\n"
    "ptd-init run.ptd --from Qwen3-VL-2B-Instruct/ --lora rank=16,targets=all-linear",
    options,
    "0 done, 2 misuse, 65 bad data, 66 no input, 73 cannot create the store, 74 i/o, 77 no "
    "permission, 78 "
    "config"};

static const volatile int *stop;

/* The store that this program is making, until it is whole: nothing is left of it if the program
 * ends before, from wherever it does. */
static struct ptd_store *unfinished;

static void discard(void)
{
    if (unfinished) ptd_store_remove(unfinished);
    unfinished = NULL;
}

static struct ptd_store *create(const char *dir)
{
    struct ptd_store *s;
    stop = ptd_stop_heed(); /* not before: an input that is a pipe may keep us waiting */
    if (ptd_store_open(&s, dir, PTD_STORE_CREATE) < 0) ptd_die_last();
    unfinished = s;
    atexit(discard);
    at_quick_exit(discard);
    return s;
}

/* Of the last failure, or of the signal. */
static _Noreturn void die(void)
{
    if (!*stop) ptd_die_last();
    discard();
    ptd_stop_die();
}

static int is_adapter(const char *name)
{
    return strstr(name, ".lora_") != NULL;
}

/* "bf16", or "bf16 and f32": formats of all but adapters. malloc'd. */
static char *formats(const struct ptd_tensor_about *list, int n)
{
    static const int known[] = {PTD_BF16, PTD_F16, PTD_F32};
    char text[40] = "";
    for (int k = 0; k < 3; k++) {
        int found = 0;
        for (int i = 0; i < n; i++) found |= list[i].dtype == known[k] && !is_adapter(list[i].name);
        if (!found) continue;
        if (*text) strcat(text, " and ");
        strcat(text, ptd_dtype_name(known[k]));
    }
    return ptd_strdup(text);
}

/* "run.ptd: tiny, 1376224 parameters, 5504896 bytes, f32, seed 7" */
static void tell(const char *dir, struct ptd_store *s, const char *name, const char *origin)
{
    struct ptd_tensor_about *list;
    size_t parameters = 0, bytes = 0;
    int n;
    if (ptd_store_list(s, 0, &list, &n) < 0) die();
    for (int i = 0; i < n; i++) {
        parameters += list[i].n;
        bytes += list[i].n * ptd_dtype_size(list[i].dtype);
    }
    char *of = formats(list, n);
    ptd_store_list_free(list, n);
    unfinished = NULL;
    ptd_store_close(s);
    ptd_info("%s: %s%s%zu parameters, %zu bytes, %s, %s", dir, name ? name : "", name ? ", " : "",
             parameters, bytes, of, origin);
    free(of);
}

/* 0: none was */
static int asked_dtype(void)
{
    return opt.dtype == as_config ? 0 : ptd_dtype_from_name(opt.dtype);
}

static int set_dtype(struct ptd_store *s)
{
    return asked_dtype() ? ptd_store_set_run_dtype(s, asked_dtype()) : 0;
}

static int put_origin(struct ptd_store *s, const char *origin)
{
    return ptd_store_put_meta(s, PTD_ORIGIN, origin, strlen(origin));
}

/* ---- from a folder ---- */

static void check_folder(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) < 0) ptd_die(PTD_NOINPUT, "%s:", dir);
    if (S_ISDIR(st.st_mode)) return;
    if (ptd_is_pickle(dir))
        ptd_die(PTD_DATAERR, "%s: a pickle file, expected a folder with safetensors", dir);
    ptd_die(PTD_NOINPUT, "%s: expected a folder with config.json and safetensors", dir);
}

static struct ptd_model *plan_from(const struct ptd_files *f, const struct ptd_shards *shards)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    if (ptd_files_check(f, &c, &r) < 0) ptd_die_last();
    if (shards && ptd_import_tie(&c, shards, opt.from) < 0) ptd_die_last();
    return ptd_model_plan(&c, &r, NULL);
}

/* ---- an adapter ---- */

static struct ptd_peft *peft; /* of --adapter */

/* What --lora or --adapter asks for joins the plan. */
static void adapt(struct ptd_model *m)
{
    struct ptd_lora l;
    if (opt.adapter && (ptd_peft_open(&peft, opt.adapter) < 0 || ptd_peft_adapt(peft, m) < 0))
        ptd_die_last();
    if (opt.lora && (ptd_lora_parse(&l, opt.lora) < 0 || ptd_model_adapt(m, &l) < 0))
        ptd_misuse("%s", ptd_failed_message());
}

static int put_adapter(struct ptd_store *s, const struct ptd_model *m)
{
    if (!m || !m->adapters) return 0;
    char *text = ptd_lora_text(&m->adapters->lora);
    int rc = ptd_store_put_meta(s, PTD_LORA_FILE, text, strlen(text));
    free(text);
    return rc;
}

static struct ptd_import what_from(const struct ptd_shards *shards, int dtype)
{
    uint64_t seed = opt.seed < 0 ? 0 : (uint64_t)opt.seed;
    return (struct ptd_import){shards, peft, dtype, seed, stop};
}

static void from_folder(const char *dir)
{
    struct ptd_files files;
    struct ptd_shards *shards;
    check_folder(opt.from);
    if (ptd_files_read(&files, opt.from, NULL) < 0) ptd_die_last();
    files.template = opt.template;
    if (ptd_shards_open(&shards, opt.from) < 0) ptd_die_last();
    struct ptd_model *m = plan_from(&files, shards);
    if (ptd_import_check(m, shards, opt.from) < 0) ptd_die_last();
    adapt(m);
    struct ptd_store *s = create(dir);
    struct ptd_import from = what_from(shards, asked_dtype());
    if (ptd_files_put(&files, s) < 0 || set_dtype(s) < 0 || put_adapter(s, m) < 0 ||
        ptd_import(s, m, &from) < 0)
        die();
    if (ptd_shards_close(shards) < 0) die();
    tell(dir, s, ptd_config_name(&m->config), opt.from);
    ptd_files_clear(&files);
    ptd_model_free(m);
}

/* ---- random ---- */

static int random_dtype(const struct ptd_model *m)
{
    if (asked_dtype()) return asked_dtype();
    return m->config.dtype == PTD_BF16 ? PTD_BF16 : PTD_F32;
}

static void from_config(const char *dir)
{
    struct ptd_files files;
    char origin[40];
    if (ptd_files_read(&files, opt.config, opt.tokenizer) < 0) ptd_die_last();
    files.template = opt.template;
    if (!ptd_files_text(&files, "tokenizer.json"))
        ptd_misuse("%s has no tokenizer built in: give --tokenizer FILE", opt.config);
    if (opt.seed < 0) opt.seed = 0;
    struct ptd_model *m = plan_from(&files, NULL);
    int dtype = random_dtype(m);
    adapt(m);
    struct ptd_store *s = create(dir);
    struct ptd_import from = what_from(NULL, dtype);
    if (ptd_files_put(&files, s) < 0 || set_dtype(s) < 0 || put_adapter(s, m) < 0 ||
        put_origin(s, PTD_ORIGIN_RANDOM) < 0 || ptd_import(s, m, &from) < 0)
        die();
    snprintf(origin, sizeof origin, "seed %" PRId64, opt.seed);
    tell(dir, s, ptd_config_name(&m->config), origin);
    ptd_files_clear(&files);
    ptd_model_free(m);
}

/* ---- from a store ---- */

/* The plan of a store's model with the adapter that it is to get; NULL: none was asked for. */
static struct ptd_model *plan_adapter(struct ptd_store *from)
{
    if (!opt.lora && !opt.adapter) return NULL;
    struct ptd_model *m = ptd_model_open(from, NULL);
    if (!m) ptd_die_last();
    if (m->adapters)
        ptd_die(PTD_CONFIG,
                "%s: has an adapter already: expected a store without (ptd-export --merge makes it "
                "part of the weights, ptd-init --from takes them)",
                opt.store);
    adapt(m);
    return m;
}

static void from_store(const char *dir)
{
    struct ptd_store *from;
    int64_t g;
    if (ptd_store_open(&from, opt.store, PTD_STORE_READ) < 0 || ptd_store_head(from, &g) < 0)
        ptd_die_last();
    if (opt.generation >= 0) g = opt.generation;
    struct ptd_model *m = plan_adapter(from);
    struct ptd_store *s = create(dir);
    struct ptd_import adapter = what_from(NULL, asked_dtype());
    if (put_adapter(s, m) < 0) die();
    if ((m ? ptd_import_clone(from, g, s, m, &adapter)
           : ptd_store_clone(from, g, asked_dtype(), s, NULL)) < 0)
        die();
    if (opt.template && ptd_template_put(s, opt.template) < 0) die();
    if (g > 0 && put_origin(s, PTD_ORIGIN_STORE) < 0) die();
    ptd_store_close(from);
    char *origin = ptd_format("from %s generation %" PRId64, opt.store, g);
    tell(dir, s, NULL, origin);
    ptd_model_free(m);
    free(origin);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv),
        config = opt.config != tiny || opt.tokenizer || (opt.seed >= 0 && !opt.lora);
    if (argc - first != 1) ptd_misuse("expected one store to make");
    if (!!opt.from + !!opt.store + !!config > 1)
        ptd_misuse(
            "expected one of --from, --from-store, and --config with --seed and --tokenizer");
    if (opt.dtype != as_config && asked_dtype() != PTD_F32 && asked_dtype() != PTD_BF16)
        ptd_misuse("--dtype: found \"%.40s\", expected bf16 or f32", opt.dtype);
    if (opt.template && ptd_template_from_name(opt.template) < 0)
        ptd_misuse("--template: found \"%.40s\", expected instruct or thinking", opt.template);
    if (opt.lora && opt.adapter) ptd_misuse("expected one of --lora and --adapter");
    if (!opt.store && opt.generation >= 0) ptd_misuse("--generation goes with --from-store");
    ptd_threads_start(0);
    if (opt.store)
        from_store(argv[first]);
    else
        (opt.from ? from_folder : from_config)(argv[first]);
    if (ptd_peft_close(peft) < 0) ptd_die_last();
    return 0;
}
