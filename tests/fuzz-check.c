/* Fuzzing entry: any bytes as a data set beside one picture, b.png, held against the tiny model and
 * the judge. What is counted adds up, and a row that is said to be usable is one that a stream
 * begins with. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "data/dataset_check.h"
#include "data/image.h"
#include "judge/judge.h"
#include "method/source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/ptd-fuzz-XXXXXX", rows[64], picture[64];
static struct ptd_source source;
static long said, usable;

static void leave(void)
{
    unlink(rows);
    unlink(picture);
    rmdir(folder);
    ptd_source_close(&source);
}

static void enter(void)
{
    uint8_t pixels[8 * 8 * 3] = {0};
    if (*rows) return;
    if (!mkdtemp(folder)) abort();
    snprintf(rows, sizeof rows, "%s/rows.jsonl", folder);
    snprintf(picture, sizeof picture, "%s/b.png", folder);
    if (ptd_image_save_png(&(struct ptd_image){.height = 8, .width = 8, .pixels = pixels},
                           picture) < 0)
        abort();
    if (ptd_source_files(&source, &(struct ptd_source_from){.folder = "tiny"}) < 0) abort();
    source.max_prompt = 256;
    atexit(leave);
}

static void put(const uint8_t *data, size_t n)
{
    FILE *f = fopen(rows, "w");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

static void hear(void *ctx, const char *kind, const char *message)
{
    if (!*kind || !*message || strchr(message, '\n')) abort();
    said++;
}

/* What ptd-rollout does with it. */
static int take(void *ctx, struct ptd_dataset *d, int row, const struct ptd_group *seen)
{
    struct ptd_group g = {0};
    struct ptd_fit fit = ptd_source_fit(&source);
    if (ptd_dataset_read(d, row, &source.rules, &g) < 0 || ptd_fit_group(&fit, &g) < 0) abort();
    if (g.n_prompt != seen->n_prompt || g.n_prompt > 256 || !*g.answer) abort();
    ptd_group_clear(&g);
    usable++;
    return 0;
}

static void check_sums(const struct ptd_checked *r)
{
    long faults = 0;
    for (int i = 0; i < r->n_kinds; i++) faults += r->kinds[i].faults;
    if (faults != said || faults != r->faults || usable != r->usable) abort();
    if (r->usable + r->faults < r->rows || (r->usable == r->rows) != !faults) abort();
    if (!r->status != !faults || r->tokens[PTD_CHECK_PROMPT].rows < r->usable) abort();
    for (int i = 0; i < PTD_CHECK_LENGTHS; i++) {
        const struct ptd_check_tokens *t = &r->tokens[i];
        if (t->rows > r->rows || t->median > t->most95 || t->most95 > t->most) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_checked r;
    enter();
    put(data, n);
    struct ptd_fit fit = ptd_source_fit(&source);
    struct ptd_check c = {.fit = &fit,
                          .rules = &source.rules,
                          .max_tokens = 64,
                          .judge = ptd_judge_named("auto"),
                          .report = hear,
                          .usable = take};
    said = usable = 0;
    if (ptd_dataset_check_all(rows, &c, &r) == 0)
        check_sums(&r);
    else if (ptd_failed_status() != PTD_DATAERR)
        abort();
    ptd_checked_clear(&r);
    return 0;
}
