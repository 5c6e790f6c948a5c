/* fingerprint: names everything of program and machine that decides how numbers round.
 * When to insist on it is left to settings.c and train.c. */
#include "compute/fingerprint.h"
#include "base/err.h"
#include <gnu/libc-version.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PTD_FLAGS
#define PTD_FLAGS ""
#endif
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* What the compiler may use: with -march=native that depends on where it ran. */
static const char *instructions(void)
{
    return ""
#if defined __aarch64__
           "aarch64"
#elif defined __x86_64__
           "x86-64"
#else
           "other"
#endif
#ifdef __AVX__
           " avx"
#endif
#ifdef __AVX2__
           " avx2"
#endif
#ifdef __FMA__
           " fma"
#endif
#ifdef __F16C__
           " f16c"
#endif
#ifdef __AVX512F__
           " avx512f"
#endif
#ifdef __AVX512DQ__
           " avx512dq"
#endif
#ifdef __AVX512BF16__
           " avx512bf16"
#endif
        ;
}

char *ptd_machine(struct ptd_device *d)
{
    char *program =
        ptd_format("arithmetic %d; compiler %s %s; instructions %s; libc glibc %s", PTD_ARITHMETIC,
                   COMPILER, PTD_FLAGS, instructions(), gnu_get_libc_version());
    if (!d) return program;
    char *device = ptd_device_machine(d), *all = ptd_format("%s; %s", program, device);
    free(program);
    free(device);
    return all;
}

/* ---- build id ---- */

struct id {
    char hex[65];
};

static void read_notes(const char *at, const char *end, struct id *id)
{
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *n = (const void *)at;
        const char *name = at + sizeof *n, *value = name + (n->n_namesz + 3) / 4 * 4;
        at = value + (n->n_descsz + 3) / 4 * 4;
        if (at > end || n->n_type != NT_GNU_BUILD_ID || n->n_namesz != 4 || memcmp(name, "GNU", 4))
            continue;
        for (unsigned i = 0; i < n->n_descsz && i < 32; i++)
            sprintf(id->hex + 2 * i, "%02x", (uint8_t)value[i]);
    }
}

/* The program itself comes first. */
static int look_at_program(struct dl_phdr_info *info, size_t size, void *id)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        const char *at = (const char *)info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_NOTE) read_notes(at, at + h->p_memsz, id);
    }
    return 1;
}

const char *ptd_build_id(void)
{
    static struct id id;
    if (!*id.hex) dl_iterate_phdr(look_at_program, &id);
    return id.hex;
}
