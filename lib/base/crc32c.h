/* crc32c: the check of TFRecord files: CRC-32C (Castagnoli; RFC 3720, B.4). Debian has no library
 * of it. */
#ifndef PTD_CRC32C_H
#define PTD_CRC32C_H
#include <stddef.h>
#include <stdint.h>

uint32_t ptd_crc32c(const void *p, size_t n);
#endif
