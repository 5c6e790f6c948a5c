/* Fuzzing entry: any bytes as a tokenizer.json; if it is one, a text through it and back.
 * Leaves texts through a sound tokenizer to fuzz-token-text. */
#include "data/token.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char text[] = "Ab  <a> e\xCC\x81\n\xE4\xB8\xAD 12's";
    int32_t *ids;
    struct ptd_tokenizer *t = ptd_tokenizer_new((const char *)bytes, n, "fuzz");
    if (!t) {
        if (ptd_failed_status() != PTD_DATAERR && ptd_failed_status() != PTD_CONFIG) abort();
        return 0;
    }
    int count = ptd_tokenizer_encode(t, text, sizeof text - 1, &ids);
    if (count >= 0) free(ptd_tokenizer_decode(t, ids, count, 0));
    free(ids);
    ptd_tokenizer_free(t);
    return 0;
}
