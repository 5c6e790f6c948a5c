/* torture-crash-power: what shim-crash-record.c writes down of each call on a store's data.mdb, and
 * torture-crash-power.c reads: this head, then the bytes of a write. */
#ifndef PTD_TORTURE_CRASH_POWER_H
#define PTD_TORTURE_CRASH_POWER_H
#include <stdint.h>

enum { OP_WRITE, OP_TRUNCATE, OP_SYNC };

struct op_head {
    uint32_t kind, durable; /* durable: this write is on the disk when the call returns (O_DSYNC) */
    /* len: bytes that follow; of OP_TRUNCATE: the new size, and none follow */
    uint64_t offset, len;
};
#endif
