/* Fuzzing entry: any bytes as model.safetensors.index.json. What is accepted must name files beside
 * it only. Built by `make fuzz` for libFuzzer; the same file serves AFL++. */
#include "checkpoint/shards.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ptd_index x;
    char *text = malloc(n + 1);
    memcpy(text, data, n);
    text[n] = 0;
    if (ptd_index_parse(&x, "fuzz", text, n) == 0) {
        for (int i = 0; i < x.n; i++) {
            if (strchr(x.entries[i].file, '/') || x.entries[i].file[0] == '.') abort();
            if (i && strcmp(x.entries[i - 1].name, x.entries[i].name) >= 0) abort();
        }
        if (x.n < 1) abort();
        ptd_index_clear(&x);
    }
    free(text);
    return 0;
}
