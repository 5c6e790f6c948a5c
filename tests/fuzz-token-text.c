/* Fuzzing entry: any bytes as a text, through the demo's tokenizer and back: what comes back
 * gives the same ids. */
#include "data/config.h"
#include "data/token.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct ptd_tokenizer *tiny(void)
{
    static struct ptd_tokenizer *t;
    size_t len;
    const char *json = ptd_builtin("tiny/tokenizer.json", &len);
    if (!t) t = ptd_tokenizer_new(json, len, "tiny");
    if (!t) abort();
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int32_t *ids, *again;
    int count = ptd_tokenizer_encode(tiny(), (const char *)bytes, n, &ids);
    if (count < 0) {
        if (ptd_failed_status() != PTD_DATAERR) abort();
        return 0;
    }
    char *text = ptd_tokenizer_decode(tiny(), ids, count, 0);
    /* how long a text with NULs is, is not told */
    size_t len = memchr(bytes, 0, n) ? 0 : strlen(text);
    int same = ptd_tokenizer_encode(tiny(), text, len, &again);
    if (len && (same != count || memcmp(ids, again, count * sizeof *ids))) abort();
    free(again);
    free(text);
    free(ids);
    return 0;
}
