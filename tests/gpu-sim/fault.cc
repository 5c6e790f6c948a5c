/* fault: one line that names kernel, thread and the line of the source. */
#include "engine.h"
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sim_quiet;
long sim_faults;
char sim_last[512];
bool sim_stopped;

struct module {
    uintptr_t address, offset;
    char path[400];
};

/* Keeps the file that the address was loaded from, and where it is in it. */
static int look(struct dl_phdr_info *info, size_t, void *ctx)
{
    module *m = (module *)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &h = info->dlpi_phdr[i];
        if (h.p_type != PT_LOAD || m->address - info->dlpi_addr - h.p_vaddr >= h.p_memsz) continue;
        m->offset = m->address - info->dlpi_addr;
        snprintf(m->path, sizeof m->path, "%s",
                 *info->dlpi_name ? info->dlpi_name : "/proc/self/exe");
        return 1;
    }
    return 0;
}

/* "norm.cu:12" of a return address: the innermost line that a kernel's file has in it. */
static void place_of(const void *site, char *out, size_t n)
{
    module m = {(uintptr_t)site - 1, 0, ""};
    char command[600], line[512];
    snprintf(out, n, "?");
    if (!site || !dl_iterate_phdr(look, &m)) return;
    if (m.path[0] == '/' && m.path[1] == 'p') { /* popen's shell is another self */
        ssize_t got = readlink("/proc/self/exe", line, sizeof line - 1);
        if (got > 0 && got < 400) line[got] = 0, snprintf(m.path, sizeof m.path, "%.399s", line);
    }
    snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx 2>/dev/null", m.path,
             (size_t)m.offset);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
        char *slash = strrchr(line, '/'), *name = slash ? slash + 1 : line;
        name[strcspn(name, " \n")] = 0;
        if (*out == '?' || strstr(name, ".cu:")) snprintf(out, n, "%.80s", name);
        if (strstr(name, ".cu:")) break;
    }
    if (f) pclose(f);
}

/* The first of a launch is enough: the rest would follow from it. */
void sim_fault(const void *site, const char *format, ...)
{
    char where[96], words[240];
    va_list ap;
    if (sim_stopped) return;
    sim_faults++;
    if (sim_running) sim_stopped = true;
    if (*sim_last) return;
    va_start(ap, format);
    vsnprintf(words, sizeof words, format, ap);
    va_end(ap);
    place_of(site, where, sizeof where);
    if (sim_running && sim_rank >= 0)
        snprintf(sim_last, sizeof sim_last, "%s: %.80s block %u,%u,%u thread %d: %s", where,
                 sim_running->name, sim_here->block.x, sim_here->block.y, sim_here->block.z,
                 sim_rank, words);
    else
        snprintf(sim_last, sizeof sim_last, "%s: %s", sim_running ? sim_running->name : where,
                 words);
    if (!sim_quiet) fprintf(stderr, "%s\n", sim_last);
}
