/* Fuzzing entry: any text as a chat template, run on its own and judged by what it does. It ends in
 * time, and either writes a text or says why not in one line. Built by `make fuzz` for libFuzzer;
 * the same file serves AFL++. */
#include "data/jinja.h"
#include "data/template.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char variables[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"a "
    "b\"},{\"role\":\"user\",\"content\":[{\"type\":"
    "\"text\",\"text\":\"t\"},{\"type\":\"image\"}]}],\"n\":3,\"list\":[\"x\",\"y\"],\"no\":false,"
    "\"nil\":null,\"add_generation_prompt\":true}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    struct ptd_jinja_failure why;
    json_t *all = json_loads(variables, 0, NULL);
    memcpy(text, data, n);
    text[n] = 0;
    char *written = ptd_jinja_run(text, all, &why);
    if (written ? strlen(written) > 1 << 16 : !*why.text) abort();
    int thinks = ptd_template_thinks(text);
    if (thinks < -1 || thinks > 1 || (thinks < 0 && ptd_failed_status() != PTD_CONFIG)) abort();
    free(written);
    json_decref(all);
    free(text);
    return 0;
}
