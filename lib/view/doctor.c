/* doctor: see doctor.h. */
#include "view/doctor.h"
#include "base/printable.h"
#include "base/progress.h"
#include "base/room.h"
#include "base/size.h"
#include "base/threads.h"
#include "compute/cpu/blas.h"
#include "compute/device.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB   1048576.
#define GIB   (1024 * MIB)
#define PROBE (64 << 20) /* bytes that are written to see how fast */

/* ---- findings ---- */

void ptd_find(struct ptd_findings *f, int health, const char *about, json_t *values,
              const char *advice, const char *fmt, ...)
{
    va_list ap;
    char words[600];
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    f->at = ptd_realloc(f->at, (size_t)(f->n + 1) * sizeof *f->at);
    f->at[f->n++] = (struct ptd_finding){.health = health,
                                         .about = ptd_strdup(about),
                                         .words = ptd_strdup(words),
                                         .advice = advice ? ptd_strdup(advice) : NULL,
                                         .values = values};
}

int ptd_findings_worst(const struct ptd_findings *f)
{
    int worst = PTD_GOOD;
    for (int i = 0; i < f->n; i++)
        if (f->at[i].health > worst) worst = f->at[i].health;
    return worst;
}

void ptd_findings_clear(struct ptd_findings *f)
{
    for (int i = 0; i < f->n; i++) {
        free(f->at[i].about);
        free(f->at[i].words);
        free(f->at[i].advice);
        json_decref(f->at[i].values);
    }
    free(f->at);
    *f = (struct ptd_findings){0};
}

static const char *const healths[] = {"good", "note", "bad"};

static void print_line(const struct ptd_finding *x)
{
    char *words = ptd_printable(x->words), *advice = x->advice ? ptd_printable(x->advice) : NULL;
    printf("%-4s  %-12s %s%s%s\n", healths[x->health], x->about, words, advice ? "; " : "",
           advice ? advice : "");
    free(words);
    free(advice);
}

static void print_json(const struct ptd_findings *f)
{
    json_t *all = json_array();
    for (int i = 0; i < f->n; i++) {
        const struct ptd_finding *x = &f->at[i];
        json_t *o = json_pack("{s:s, s:s, s:s}", "health", healths[x->health], "about", x->about,
                              "words", x->words);
        if (x->advice) json_object_set_new(o, "advice", json_string(x->advice));
        if (x->values) json_object_update_missing(o, x->values);
        json_array_append_new(all, o);
    }
    json_t *o = json_pack("{s:s, s:o}", "health", healths[ptd_findings_worst(f)], "findings", all);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
    puts(text);
    free(text);
    json_decref(o);
}

void ptd_findings_print(const struct ptd_findings *f, int json)
{
    if (json) {
        print_json(f);
        return;
    }
    for (int i = 0; i < f->n; i++) print_line(&f->at[i]);
}

/* ---- files of the system ---- */

/* The first line of a file, or what stands behind `key` in the line that begins so; "" if there is
 * none. */
static char *line_of(const char *path, const char *key, char out[256])
{
    char line[1024];
    FILE *f = fopen(path, "re");
    *out = 0;
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *at = line + strlen(key);
        at += strspn(at, " \t:=\"");
        snprintf(out, 256, "%.255s", at);
        out[strcspn(out, "\"")] = 0;
        break;
    }
    if (f) fclose(f);
    return out;
}

static double number_of(const char *path, const char *key)
{
    char text[256];
    return atof(line_of(path, key, text));
}

/* ---- machine ---- */

static void find_system(struct ptd_findings *f)
{
    struct utsname u;
    char name[256], cpu[256];
    uname(&u);
    line_of("/etc/os-release", "PRETTY_NAME", name);
    line_of("/proc/cpuinfo", "model name", cpu);
    ptd_find(f, PTD_GOOD, "machine", json_pack("{s:s, s:s}", "system", u.release, "cpu", cpu), NULL,
             "%s, Linux %s, %s, %s", *name ? name : "unknown", u.release, u.machine,
             *cpu ? cpu : "unknown processor");
}

/* Cores that a control group grants; 0: as many as there are. */
static double quota(void)
{
    char text[256], *end;
    double period, most;
    line_of("/sys/fs/cgroup/cpu.max", "", text);
    most = strtod(text, &end);
    period = strtod(end, NULL);
    if (end != text && period > 0) return most / period;
    most = number_of("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "");
    period = number_of("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "");
    return most > 0 && period > 0 ? most / period : 0;
}

static void find_cores(struct ptd_findings *f)
{
    cpu_set_t set;
    int all = get_nprocs_conf(),
        mine = sched_getaffinity(0, sizeof set, &set) ? all : CPU_COUNT(&set);
    double granted = quota();
    json_t *v = json_pack("{s:i, s:i, s:f}", "cores", all, "usable", mine, "quota", granted);
    if (granted > 0 && granted < mine)
        ptd_find(f, PTD_NOTE, "cores", v, "give -j, or PTD_THREADS, that many",
                 "%d, of which a control group grants the time of %.3g", mine, granted);
    else if (mine < all)
        ptd_find(f, PTD_NOTE, "cores", v, NULL, "%d of %d may be used (taskset)", mine, all);
    else
        ptd_find(f, PTD_GOOD, "cores", v, NULL, "%d", all);
}

static void find_memory(struct ptd_findings *f)
{
    double all = number_of("/proc/meminfo", "MemTotal") * 1024, left = (double)ptd_room_left();
    double swap = number_of("/proc/meminfo", "SwapTotal") * 1024;
    json_t *v = json_pack("{s:f, s:f, s:f}", "memory", all, "left", left, "swap", swap);
    ptd_find(f, left < 1 * GIB ? PTD_NOTE : PTD_GOOD, "memory", v,
             left < 1 * GIB
                 ? "end other programs, or have the limit raised (ulimit -v, control group)"
                 : NULL,
             "%s, of which %s may be taken now; swap %s", ptd_size(all).text, ptd_size(left).text,
             ptd_size(swap).text);
}

static int has(const char *feature)
{
#if defined __x86_64__
    if (!strcmp(feature, "avx2")) return __builtin_cpu_supports("avx2");
    if (!strcmp(feature, "fma")) return __builtin_cpu_supports("fma");
    if (!strcmp(feature, "avx512f")) return __builtin_cpu_supports("avx512f");
    if (!strcmp(feature, "avx512bf16")) return __builtin_cpu_supports("avx512bf16");
#endif
    return 0;
}

/* What the machine has, and what this program was built for. */
static void find_instructions(struct ptd_findings *f)
{
    static const char *const features[] = {"avx2", "fma", "avx512f", "avx512bf16"};
    const int built[] = {
#ifdef __AVX2__
        1,
#else
        0,
#endif
#ifdef __FMA__
        1,
#else
        0,
#endif
#ifdef __AVX512F__
        1,
#else
        0,
#endif
#ifdef __AVX512BF16__
        1,
#else
        0,
#endif
    };
    char there[64] = "", unused[64] = "";
    for (int i = 0; i < 4; i++) {
        if (!has(features[i])) continue;
        strcat(strcat(there, *there ? " " : ""), features[i]);
        if (!built[i] && i < 3) strcat(strcat(unused, *unused ? " " : ""), features[i]);
    }
    ptd_find(f, *unused ? PTD_NOTE : PTD_GOOD, "instructions",
             json_pack("{s:s, s:s}", "there", there, "unused", unused),
             *unused ? "build with make ARCH=native" : NULL, "%s%s%s",
             *there ? there : "no vectors of 256 bits",
             *unused ? "; this program does not use " : "", unused);
}

/* What f prints to the given descriptor in a process of its own, whose end harms nobody; its
 * status.
 */
static int ask(void (*g)(int fd), char *out, size_t cap)
{
    int p[2], status = 0;
    size_t n = 0;
    *out = 0;
    fflush(stdout);
    if (pipe2(p, O_CLOEXEC)) return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(p[1], 2);
        g(p[1]);
        _exit(0);
    }
    close(p[1]);
    for (ssize_t got; child > 0 && n + 1 < cap && (got = read(p[0], out + n, cap - 1 - n)) != 0;)
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            break;
    out[n] = 0;
    close(p[0]);
    if (child > 0) waitpid(child, &status, 0);
    out[strcspn(out, "\n")] = 0;
    return child < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define SIDE 1024

static void multiply(int fd)
{
    float *a = ptd_array((size_t)SIDE * SIDE, sizeof *a),
          *c = ptd_array((size_t)SIDE * SIDE, sizeof *c);
    const char *name = ptd_blas_name();
    for (int i = 0; i < SIDE * SIDE; i++) a[i] = (float)(i % 7) - 3;
    double best = 1e9;
    for (int k = 0; k < 3; k++) {
        double from = ptd_now();
        ptd_blas_sgemm(0, 0, SIDE, SIDE, SIDE, 1, a, SIDE, a, SIDE, 0, c, SIDE);
        if (ptd_now() - from < best) best = ptd_now() - from;
    }
    dprintf(fd, "%.1f %s", 2. * SIDE * SIDE * SIDE / best / 1e9, name);
}

static void find_products(struct ptd_findings *f)
{
    char text[600];
    int status = ask(multiply, text, sizeof text);
    if (status)
        ptd_find(f, PTD_BAD, "products", NULL, "apt-get install libopenblas0-pthread", "%s",
                 *text ? text : "OpenBLAS cannot be asked");
    else
        ptd_find(f, PTD_GOOD, "products",
                 json_pack("{s:f, s:s}", "gflops_core", atof(text), "blas", strchr(text, ' ') + 1),
                 NULL, "%s, %.0f GFLOP/s a core", strchr(text, ' ') + 1, atof(text));
}

static void open_card(int fd)
{
    ptd_threads_start(1);
    struct ptd_device *d = ptd_device_open("cuda");
    if (!d) ptd_die_last();
    char *machine = ptd_device_machine(d);
    dprintf(fd, "%s", machine);
}

static int has_card(void)
{
    return access("/dev/nvidia0", F_OK) == 0 || access("/proc/driver/nvidia/version", F_OK) == 0;
}

static void find_card(struct ptd_findings *f)
{
    char text[600], driver[256];
    line_of("/proc/driver/nvidia/version", "NVRM version", driver);
    int there = has_card(), status = ask(open_card, text, sizeof text);
    json_t *v = json_pack("{s:b, s:s}", "usable", status == 0, "driver", driver);
    if (status == 0)
        ptd_find(f, PTD_GOOD, "gpu", v, NULL, "%s; driver %s", text, driver);
    else if (there)
        ptd_find(f, PTD_BAD, "gpu", v, "compute with --device cpu meanwhile",
                 "a card is there (driver %s), but: %s", *driver ? driver : "unknown", text);
    else
        ptd_find(f, PTD_NOTE, "gpu", v, NULL, "none; --device cpu computes");
}

/* ---- limits ---- */

/* bytes: they are what is counted */
static void find_limit(struct ptd_findings *f, int which, const char *name, int bytes, double least,
                       const char *how)
{
    struct rlimit l;
    if (getrlimit((__rlimit_resource_t)which, &l)) return;
    double n = l.rlim_cur == RLIM_INFINITY ? -1 : (double)l.rlim_cur;
    if (n < 0 || n >= least) return;
    struct ptd_size is = ptd_size(n), needed = ptd_size(least);
    if (!bytes) snprintf(is.text, sizeof is.text, "%.0f", n);
    if (!bytes) snprintf(needed.text, sizeof needed.text, "%.0f", least);
    ptd_find(f, PTD_NOTE, "limits", json_pack("{s:s, s:f}", "limit", name, "value", n), how,
             "%s is %s, expected %s at least", name, is.text, needed.text);
}

static void find_limits(struct ptd_findings *f)
{
    int before = f->n;
    double pipe = number_of("/proc/sys/fs/pipe-max-size", "");
    find_limit(f, RLIMIT_NOFILE, "open files", 0, 256, "ulimit -n 1024");
    find_limit(f, RLIMIT_AS, "address space", 1, 600 * GIB,
               "ulimit -v unlimited, or PTD_STORE_MAX for a smaller map");
    find_limit(f, RLIMIT_FSIZE, "size of files", 1, 1e15, "ulimit -f unlimited");
    find_limit(f, RLIMIT_NPROC, "processes", 0, 64, "ulimit -u 4096");
    if (pipe > 0 && pipe < MIB)
        ptd_find(f, PTD_NOTE, "limits", json_pack("{s:s, s:f}", "limit", "pipe", "value", pipe),
                 "sysctl fs.pipe-max-size=1048576", "pipes hold %s, expected %s",
                 ptd_size(pipe).text, ptd_size(MIB).text);
    if (f->n == before)
        ptd_find(f, PTD_GOOD, "limits", NULL, NULL,
                 "open files, address space, sizes and pipes are no hindrance");
}

static void find_shared(struct ptd_findings *f)
{
    const char *base = getenv("PTD_SHM") ? getenv("PTD_SHM") : "/dev/shm";
    struct statvfs s;
    if (statvfs(base, &s)) {
        ptd_find(f, PTD_NOTE, "shared", NULL, "mount a tmpfs there, or name one in PTD_SHM",
                 "%s is not there: encoded pictures are made by each program", base);
        return;
    }
    double left = (double)s.f_bavail * (double)s.f_frsize;
    ptd_find(f, left < 256 * MIB ? PTD_NOTE : PTD_GOOD, "shared", json_pack("{s:f}", "left", left),
             left < 256 * MIB ? "make it larger (docker: --shm-size), or name another in PTD_SHM"
                              : NULL,
             "%s has room for %s", base, ptd_size(left).text);
}

static void find_tool(struct ptd_findings *f, const char *name, const char *package,
                      const char *what)
{
    char *command = ptd_format("command -v %s > /dev/null 2>&1", name),
         *advice = ptd_format("apt-get install %s", package);
    if (system(command) != 0)
        ptd_find(f, PTD_NOTE, "tools", NULL, advice, "%s is not installed: %s", name, what);
    free(command);
    free(advice);
}

void ptd_doctor_machine(struct ptd_findings *f)
{
    find_system(f);
    find_cores(f);
    find_memory(f);
    find_instructions(f);
    find_products(f);
    find_card(f);
    find_limits(f);
    find_shared(f);
    find_tool(f, "gnuplot", "gnuplot-nox", "ptd-plot draws nothing");
    find_tool(f, "jq", "jq", "examples of the README use it");
}

/* ---- disk ---- */

/* The nearest folder that is there. */
static char *folder_of(const char *path)
{
    struct stat st;
    char *at = ptd_strdup(path);
    while (stat(at, &st) || !S_ISDIR(st.st_mode)) {
        char *copy = ptd_strdup(at), *up = ptd_strdup(dirname(copy));
        free(copy);
        free(at);
        at = up;
        if (!strcmp(at, ".") || !strcmp(at, "/")) break;
    }
    return at;
}

/* Bytes a second that reach the disk, and that come back from it past the page cache; 0: nobody
 * could tell. */
static void probe(const char *folder, double *writes, double *reads)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *block = aligned_alloc(4096, 1 << 20);
    size_t done = 0;
    ssize_t n;
    *writes = *reads = 0;
    if (fd < 0 || !block) {
        if (fd >= 0) close(fd);
        free(block);
        return;
    }
    memset(block, 'x', 1 << 20);
    double from = ptd_now();
    while (done < PROBE && (n = write(fd, block, 1 << 20)) > 0) done += (size_t)n;
    if (done >= PROBE && fdatasync(fd) == 0) *writes = (double)done / (ptd_now() - from);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    from = ptd_now();
    for (done = 0; done < PROBE && (n = pread(fd, block, 1 << 20, (off_t)done)) > 0;)
        done += (size_t)n;
    if (done >= PROBE) *reads = (double)done / (ptd_now() - from);
    close(fd);
    free(block);
}

/* File systems that other machines share, on which LMDB's locks do not hold. */
static const char *shared_by_machines(const char *folder)
{
    struct statfs s;
    if (statfs(folder, &s)) return NULL;
    switch ((unsigned)s.f_type) {
    case 0x6969u:
        return "NFS";
    case 0xff534d42u:
    case 0xfe534d42u:
    case 0x517bu:
        return "SMB";
    case 0x0bd00bd0u:
        return "Lustre";
    case 0x47504653u:
        return "GPFS";
    case 0x00c36400u:
        return "Ceph";
    case 0x01021997u:
        return "9p";
    }
    return NULL;
}

void ptd_doctor_disk(struct ptd_findings *f, const char *path)
{
    struct statvfs s;
    char *folder = folder_of(path);
    const char *network = shared_by_machines(folder);
    double writes, reads, left = statvfs(folder, &s) ? 0 : (double)s.f_bavail * (double)s.f_frsize;
    int full = statvfs(folder, &s) == 0 && s.f_files && !s.f_favail;
    probe(folder, &writes, &reads);
    ptd_find(f, left < 1 * GIB || full ? PTD_NOTE : PTD_GOOD, "disk",
             json_pack("{s:s, s:f, s:f, s:f}", "folder", folder, "left", left, "writes", writes,
                       "reads", reads),
             left < 1 * GIB ? "make room, or put the run elsewhere"
             : full         ? "no file can be made: remove some"
                            : NULL,
             "%s has room for %s; %s/s reach it, %s/s come back", folder, ptd_size(left).text,
             ptd_size(writes).text, ptd_size(reads).text);
    if (network)
        ptd_find(f, PTD_BAD, "disk", json_pack("{s:s}", "filesystem", network),
                 "put stores on a local disk", "%s lies on %s, where LMDB's locks do not hold",
                 folder, network);
    if (writes == 0)
        ptd_find(f, PTD_NOTE, "disk", NULL, "see its permissions and room",
                 "%s cannot be written to", folder);
    free(folder);
}
