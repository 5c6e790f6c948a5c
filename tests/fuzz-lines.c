/* Fuzzing entry: any bytes as metrics, as they lie in a file and as they come through a pipe. What
 * is taken for a line has a step and an object, steps that count rise, and all of it can be shown
 * as a table, as gauges and, in event files, once; what is refused is refused in one line with
 * status 65. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "view/columns.h"
#include "view/events.h"
#include "view/lines.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/ptd-fuzz-XXXXXX", metrics[64], gauges[64], events[64];

static void remove_events(void)
{
    DIR *d = opendir(events);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(events);
}

static void leave(void)
{
    remove_events();
    unlink(metrics);
    unlink(gauges);
    rmdir(folder);
}

static void enter(void)
{
    if (*metrics) return;
    if (!mkdtemp(folder)) abort();
    snprintf(metrics, sizeof metrics, "%s/m.jsonl", folder);
    snprintf(gauges, sizeof gauges, "%s/m.prom", folder);
    snprintf(events, sizeof events, "%s/tb", folder);
    atexit(leave);
}

static void put(const uint8_t *data, size_t n)
{
    FILE *f = fopen(metrics, "w");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

static void refused(void)
{
    const char *said = ptd_failed_message();
    if (ptd_failed_status() != PTD_DATAERR || !*said || strchr(said, '\n')) abort();
}

static void say(struct ptd_events *e, const struct ptd_line *line, int *wrote)
{
    const char *key;
    json_t *v;
    json_object_foreach (line->object, key, v)
        if (json_is_number(v)) ptd_events_scalar(e, key, json_number_value(v));
    int got = ptd_events_step(e, line->step, line->time);
    if (got < 0) abort();
    *wrote += got;
}

static int whole; /* the file's last line is */

/* All lines of the file; how many steps were written as events. */
static int read_all(struct ptd_columns *table, struct ptd_events *e)
{
    struct ptd_line line;
    int64_t last[PTD_LINE_KINDS];
    int got = 0, wrote = 0, any[PTD_LINE_KINDS] = {0};
    struct ptd_lines *l = ptd_lines_open(metrics);
    while (l && (got = ptd_lines_next(l, 1, &line)) > 0) {
        int k = line.kind;
        if (k < 0 || k >= PTD_LINE_KINDS || !json_is_object(line.object) || line.number < 1 ||
            !(line.time >= 0))
            abort();
        if (whole && any[k] && line.step <= last[k]) abort(); /* what began anew was left out */
        any[k] = 1, last[k] = line.step;
        if (table) ptd_columns_add(table, &line);
        if (e && k == PTD_LINE_RUN) say(e, &line, &wrote);
    }
    if (!l || got < 0) refused();
    if (l) ptd_lines_close(l);
    return wrote;
}

static void read_pipe(void)
{
    struct ptd_line line;
    int fd = open(metrics, O_RDONLY), kept = dup(0), ends[2], got;
    char block[4096];
    if (fd < 0 || pipe(ends) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 1 << 17) < 0) abort();
    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0;)
        if (write(ends[1], block, (size_t)n) != n) abort();
    close(ends[1]);
    dup2(ends[0], 0);
    close(ends[0]);
    struct ptd_lines *l = ptd_lines_open("-");
    if (!l) abort();
    while ((got = ptd_lines_next(l, 1, &line)) > 0) continue;
    if (got < 0) refused();
    ptd_lines_close(l);
    dup2(kept, 0);
    close(kept);
    close(fd);
}

static void show(void)
{
    static FILE *nowhere;
    if (!nowhere && !(nowhere = fopen("/dev/null", "w"))) abort();
    for (int names = 0; names < 3; names++) {
        struct ptd_columns *t = ptd_columns_new((enum ptd_names)names, 1);
        read_all(t, NULL);
        ptd_columns_csv(t, nowhere);
        if (ptd_columns_prometheus(t, "a\"b\\", gauges) < 0) abort();
        ptd_columns_free(t);
    }
}

/* Once more, all of it is there. */
static void write_events(void)
{
    for (int round = 0; round < 2; round++) {
        struct ptd_events *e = ptd_events_open(events);
        if (!e) abort();
        int wrote = read_all(NULL, e);
        if (round && wrote && whole) abort();
        ptd_events_close(e);
    }
    remove_events();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 65536) return 0;
    enter();
    put(data, n);
    whole = !n || data[n - 1] == '\n';
    show();
    read_pipe();
    write_events();
    return 0;
}
