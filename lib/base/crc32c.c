/* crc32c: see crc32c.h; a byte at a time. */
#include "base/crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t table[256];

static void fill(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? POLYNOMIAL : 0);
        table[i] = c;
    }
}

uint32_t ptd_crc32c(const void *p, size_t n)
{
    const uint8_t *at = p;
    uint32_t c = ~0u;
    if (!table[1]) fill();
    for (size_t i = 0; i < n; i++) c = c >> 8 ^ table[(c ^ at[i]) & 255];
    return ~c;
}
