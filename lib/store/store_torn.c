/* store_torn: tells whether a damaged file looks like a copy that was made, page after page, while
 * the store was trained: its last pages are then from later transactions than its first ones. Asks
 * for no memory, so that store_guard.c can use it. */
#include "store/store_private.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is used of LMDB's file, version 1. A page begins with its number; leaves hold nodes, those
 * of the free list are the numbers of transactions. */
struct page {
    uint64_t number;
    uint16_t pad, flags, lower, upper; /* lower - 16: bytes of the offsets that follow */
};
struct node {
    uint16_t low, high, flags, key_len;
};
#define META_SIZE 24 /* offsets in the first two pages */
#define META_TXN  128
#define META_FLAG 8
#define LEAF      2
#define PAGE_MAX  65536

static const char words[] =
    "; looks like a copy made while it was trained: ptd-dump --copy makes a sound one";

static uint64_t number_at(const unsigned char *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* Does a leaf of the free list belong to a transaction after the next one? That one may have been
 * killed. */
static int is_later(const unsigned char *p, size_t size, uint64_t txn)
{
    struct page h;
    struct node n;
    uint16_t at;
    memcpy(&h, p, sizeof h);
    for (size_t i = sizeof h; i < h.lower && i + 2 <= size; i += 2) {
        memcpy(&at, p + i, sizeof at);
        if (at < sizeof h || at + sizeof n + 8 > size) return 0;
        memcpy(&n, p + at, sizeof n);
        if (n.key_len != 8 || (n.low | (uint32_t)n.high << 16) % 8) return 0;
        uint64_t key = number_at(p + at + sizeof n);
        if (key > txn + 1 && key < txn + (1u << 20)) return 1;
    }
    return 0;
}

static int search(int fd, unsigned char *p, size_t size, uint64_t txn)
{
    struct page h;
    for (uint64_t i = 2; pread(fd, p, size, (off_t)(i * size)) == (ssize_t)size; i++) {
        memcpy(&h, p, sizeof h);
        if (h.number == i && h.flags == LEAF && is_later(p, size, txn)) return 1;
    }
    return 0;
}

/* The newest transaction that the file's two first pages know, and the size of a page; 0 if they
 * know none. */
static uint64_t newest(int fd, size_t *size)
{
    unsigned char p[256];
    uint64_t txn = 0;
    *size = 4096;
    for (int i = 0; i < 2; i++) {
        if (pread(fd, p, sizeof p, (off_t)(i * *size)) != (ssize_t)sizeof p) return 0;
        struct page h;
        memcpy(&h, p, sizeof h);
        if (h.number != (uint64_t)i || h.flags != META_FLAG) return 0;
        if (!i) *size = (uint32_t)number_at(p + sizeof h + META_SIZE);
        if (*size < 512 || *size > PAGE_MAX) return 0;
        if (number_at(p + sizeof h + META_TXN) > txn) txn = number_at(p + sizeof h + META_TXN);
    }
    return txn;
}

static int is_trained(const char *dir)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[4200];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0) close(fd);
    return held;
}

const char *ptd_store_doubt(const struct ptd_store *s)
{
    static unsigned char page[PAGE_MAX];
    char path[4200];
    size_t size;
    snprintf(path, sizeof path, "%s/data.mdb", s->dir);
    if (strcmp(s->file, "data.mdb") != 0) return "";
    int fd = is_trained(s->dir) ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return "";
    uint64_t txn = newest(fd, &size);
    int torn = txn && search(fd, page, size, txn);
    close(fd);
    return torn ? words : "";
}
