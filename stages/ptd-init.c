/* ptd-init: a new store, with random weights for a config and a seed, or with one generation of another
 * store. Trains nothing. Reads config.json, preprocessor_config.json, tokenizer.json and, if there,
 * generation_config.json; publishes generation 0, pinned.
 *
 *     ptd-init run.ptd --config tiny --seed 7
 */
#include "model.h"
#include "opt.h"
#include "token.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tiny[] = "tiny";
static struct {
    const char *config, *from;
    int64_t seed, generation;
} opt = {.config = tiny, .generation = -1};

static const struct ptd_opt options[] = {
    {"config", 'c', PTD_OPT_STR, &opt.config, "NAME",
     "built-in model (tiny), or a folder with its config files", 0, 0},
    {"seed", 0, PTD_OPT_LONG, &opt.seed, "N", "of the random weights", 0, 9e15},
    {"from-store", 0, PTD_OPT_STR, &opt.from, "DIR", "copy config files and weights from this store instead",
     0, 0},
    {"generation", 'g', PTD_OPT_LONG, &opt.generation, "N", "of that store; -1: its newest", -1, 4e9},
    {0}};
static const struct ptd_usage usage = {"ptd-init", "STORE",
                                       "make a store from a config and a seed, or from another store",
                                       "ptd-init run.ptd --seed 7\n"
                                       "ptd-init run.ptd --config Qwen3-VL-2B-Instruct/\n"
                                       "ptd-init ptd.ptd --from-store base.ptd",
                                       options};

struct file {
    const char *name;
    int required;
    size_t most; /* bytes */
    const char *text;
    size_t len;
};
enum { CONFIG, IMAGES, TOKENIZER, GENERATION, N_FILES };
static struct file files[N_FILES] = {{"config.json", 1, 1 << 20, NULL, 0},
                                     {"preprocessor_config.json", 1, 1 << 20, NULL, 0},
                                     {"tokenizer.json", 1, 64 << 20, NULL, 0},
                                     {"generation_config.json", 0, 1 << 20, NULL, 0}};

static void read_file(struct file *f, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && !f->required) return;
    if (fd < 0 || fstat(fd, &st) < 0) ptd_die(PTD_NOINPUT, "%s:", path);
    if (!S_ISREG(st.st_mode)) ptd_die(PTD_NOINPUT, "%s: not a regular file", path);
    if ((uint64_t)st.st_size > f->most)
        ptd_die(PTD_DATAERR, "%s: %lld bytes, expected at most %zu", path, (long long)st.st_size, f->most);
    char *text = ptd_alloc(st.st_size + 1);
    for (ssize_t n = 1; f->len < (size_t)st.st_size && n > 0; f->len += n)
        if ((n = read(fd, text + f->len, st.st_size - f->len)) < 0) ptd_die(PTD_NOINPUT, "%s:", path);
    if (strlen(text) != f->len) ptd_die(PTD_DATAERR, "%s: a NUL byte, expected text", path);
    f->text = text;
    close(fd);
}

static void read_files(const char *config)
{
    for (struct file *f = files; f < files + N_FILES; f++) {
        char *path = ptd_format("%s/%s", config, f->name);
        f->text = ptd_builtin(path, &f->len);
        if (!f->text) read_file(f, path);
        free(path);
    }
}

static void check_id(const struct ptd_tokenizer *t, const char *field, int id, const char *text)
{
    int found = ptd_tokenizer_id(t, text);
    if (found != id)
        ptd_die(PTD_DATAERR, "config.json: field \"%s\": found %d, expected %d as tokenizer.json has %s",
                field, id, found, text);
}

static void check_tokenizer(const struct ptd_config *c)
{
    const struct file *f = &files[TOKENIZER];
    struct ptd_tokenizer *t = ptd_tokenizer_new(f->text, f->len, f->name);
    if (!t) ptd_die_last();
    if (ptd_tokenizer_size(t) > c->vocab)
        ptd_die(PTD_DATAERR,
                "config.json: field \"text_config.vocab_size\": found %d, expected at least %d for "
                "tokenizer.json",
                c->vocab, ptd_tokenizer_size(t));
    check_id(t, "image_token_id", c->image_token, "<|image_pad|>");
    check_id(t, "video_token_id", c->video_token, "<|video_pad|>");
    check_id(t, "vision_start_token_id", c->vision_start, "<|vision_start|>");
    check_id(t, "vision_end_token_id", c->vision_end, "<|vision_end|>");
    ptd_tokenizer_free(t);
}

static struct ptd_model *random_model(void)
{
    struct ptd_config c;
    struct ptd_image_rules r;
    read_files(opt.config);
    if (ptd_config_parse(&c, files[CONFIG].text, files[GENERATION].text) < 0) ptd_die_last();
    if (ptd_image_rules_parse(&r, files[IMAGES].text) < 0 || ptd_config_check_rules(&c, &r) < 0)
        ptd_die_last();
    check_tokenizer(&c);
    struct ptd_model *m = ptd_model_new(&c, &r, &ptd_ops_cpu);
    ptd_model_init(m, opt.seed);
    return m;
}

static int publish_model(struct ptd_store *s, const struct ptd_model *m)
{
    for (const struct file *f = files; f < files + N_FILES; f++)
        if (f->text && ptd_store_put_meta(s, f->name, f->text, f->len) < 0) return -1;
    struct ptd_tensor_view *views = ptd_model_views(m, m->weights);
    struct ptd_publication p = {.generation = 0, .weights = views, .n = m->n_params, .keep = 1, .pin = 1};
    int rc = ptd_store_publish(s, &p);
    free(views);
    return rc;
}

/* Removes what this program has just made (and nothing else), then dies of the last failure. */
static _Noreturn void discard(struct ptd_store *s)
{
    static const char *const made[] = {"data.mdb", "lock.mdb", "lock"};
    char *dir = ptd_strdup(ptd_store_path(s));
    ptd_store_close(s);
    for (int i = 0; i < 3; i++) {
        char *path = ptd_format("%s/%s", dir, made[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
    ptd_die_last();
}

static void from_config(const char *dir)
{
    struct ptd_model *m = random_model();
    struct ptd_store *s;
    if (ptd_store_open(&s, dir, PTD_STORE_CREATE) < 0) ptd_die_last();
    if (publish_model(s, m) < 0) discard(s);
    ptd_store_close(s);
    ptd_info("%s: %zu parameters, %zu bytes, seed %" PRId64, dir, m->n_weights,
             m->n_weights * sizeof *m->weights, opt.seed);
    ptd_model_free(m);
}

struct tally {
    size_t parameters, bytes;
};

static int count(const char *db, const char *key, size_t key_len, const void *value, size_t len, void *ctx)
{
    struct tally *t = ctx;
    struct ptd_tensor_piece view;
    (void)key, (void)key_len;
    if (strcmp(db, "weights")) return 0;
    if (ptd_store_tensor(value, len, &view) < 0) return -1;
    t->parameters += view.n;
    t->bytes += view.n * ptd_dtype_size(view.whole.dtype);
    return 0;
}

static void from_store(const char *dir)
{
    struct ptd_store *from, *s;
    struct tally t = {0, 0};
    int64_t g;
    if (ptd_store_open(&from, opt.from, PTD_STORE_READ) < 0 || ptd_store_head(from, &g) < 0) ptd_die_last();
    if (opt.generation >= 0) g = opt.generation;
    if (ptd_store_open(&s, dir, PTD_STORE_CREATE) < 0) ptd_die_last();
    if (ptd_store_clone(from, g, s) < 0 || ptd_store_walk(s, count, &t) < 0) discard(s);
    ptd_store_close(from);
    ptd_store_close(s);
    ptd_info("%s: %zu parameters, %zu bytes, from %s generation %" PRId64, dir, t.parameters, t.bytes,
             opt.from, g);
}

int main(int argc, char **argv)
{
    int first = ptd_opt_parse(&usage, argc, argv);
    if (argc - first != 1) ptd_misuse("expected one store to make");
    if (opt.from && (opt.config != tiny || opt.seed))
        ptd_misuse("--from-store takes no --config and no --seed");
    if (!opt.from && opt.generation >= 0) ptd_misuse("--generation goes with --from-store");
    if (opt.from)
        from_store(argv[first]);
    else
        from_config(argv[first]);
    return 0;
}
