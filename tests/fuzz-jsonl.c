/* Fuzzing entry: any bytes as a data set, lines or a list, beside one picture, b.png. A row is read
 * or refused with one of two statuses, checking it finds what reading it finds, and what is
 * accepted holds what it promises: marks and pictures agree, turns have roles, hints and answers
 * are there. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "data/dataset.h"
#include "data/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/ptd-fuzz-XXXXXX", rows[64], picture[64];

static void leave(void)
{
    unlink(rows);
    unlink(picture);
    rmdir(folder);
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
    atexit(leave);
}

static void put(const uint8_t *data, size_t n)
{
    FILE *f = fopen(rows, "w");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

static void check_regions(const struct ptd_region *r, int n)
{
    if (n < 0 || n > PTD_DATASET_LIST) abort();
    for (int i = 0; i < n; i++) {
        const float *b = r[i].box;
        if (!r[i].label ||
            !(0 <= b[0] && b[0] < b[2] && b[2] <= 1 && 0 <= b[1] && b[1] < b[3] && b[3] <= 1))
            abort();
    }
}

static int count_marks(const char *s)
{
    int n = 0;
    for (; (s = strstr(s, "<image>")); s++) n++;
    return n;
}

static void check_turns(const struct ptd_group *g)
{
    int marks = count_marks(g->question);
    if (g->n_turns < 0 || g->n_turns > PTD_LIST_MAX) abort();
    for (int i = 0; i < g->n_turns; i++) {
        int user = !strcmp(g->turns[i].role, "user");
        if (!*g->turns[i].text || (!user && strcmp(g->turns[i].role, "assistant"))) abort();
        if (user) marks += count_marks(g->turns[i].text);
    }
    if (marks && marks != g->n_pictures) abort();
}

static void check_texts(const struct ptd_group *g)
{
    if (g->n_answers < 0 || g->n_answers > PTD_LIST_MAX) abort();
    for (int i = 0; i < g->n_answers; i++)
        if (!*g->answers[i]) abort();
    for (int i = 0; i < g->n_steps; i++)
        if (!*g->steps[i]) abort();
    if ((g->system && !*g->system) || (g->judge && !*g->judge)) abort();
}

static void check_row(const struct ptd_group *g, int i)
{
    check_turns(g);
    check_texts(g);
    if (g->index != i || !*g->uid || !*g->question || !*g->answer || g->n_rollouts) abort();
    if (g->n_steps < 0 || g->n_steps > PTD_DATASET_LIST || g->n_pictures > PTD_DATASET_LIST)
        abort();
    check_regions(g->regions, g->n_regions);
    check_regions(g->objects, g->n_objects);
    for (int k = 0; k < g->n_pictures; k++)
        if (g->pictures[k].height < 1 || !g->pictures[k].pixels ||
            strlen(g->pictures[k].hash) != 16)
            abort();
}

static void count(void *ctx, const char *message)
{
    if (!*message || strchr(message, '\n')) abort();
    ++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_group g = {0};
    enter();
    put(data, n);
    struct ptd_dataset *d = ptd_dataset_open(rows);
    if (!d && ptd_failed_status() != PTD_DATAERR) abort();
    for (int i = 0; d && i < ptd_dataset_rows(d); i++) {
        int faults = 0, rc = ptd_dataset_read(d, i, NULL, &g);
        if (rc == 0) check_row(&g, i);
        if (rc < 0 && ptd_failed_status() != PTD_DATAERR && ptd_failed_status() != PTD_NOINPUT)
            abort();
        if (ptd_dataset_check(d, i, NULL, &g, count, &faults) != rc || !faults != !rc) abort();
    }
    if (d) ptd_dataset_close(d);
    ptd_group_clear(&g);
    return 0;
}
