/* embedded: the files compiled in (builtin.S), by model and name; which of the built-in models a
 * config describes. What the files say is left to config.c and token.c. */
#include "data/config.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FILE_SYMBOLS(name) extern const char ptd_file_##name[], ptd_file_##name##_end[]
FILE_SYMBOLS(tiny_config);
FILE_SYMBOLS(tiny_preprocessor);
FILE_SYMBOLS(tiny_generation);
FILE_SYMBOLS(tiny_tokenizer);
FILE_SYMBOLS(qwen3_2b_config);
FILE_SYMBOLS(qwen3_4b_config);
FILE_SYMBOLS(qwen3_8b_config);
FILE_SYMBOLS(qwen3_preprocessor);
FILE_SYMBOLS(qwen3_generation);

#define FILE_ROW(path, name)                                                                       \
    {                                                                                              \
        path, ptd_file_##name, ptd_file_##name##_end                                               \
    }
#define QWEN_ROWS(size)                                                                            \
    FILE_ROW("qwen3-vl-" #size "/config.json", qwen3_##size##_config),                             \
        FILE_ROW("qwen3-vl-" #size "/preprocessor_config.json", qwen3_preprocessor),               \
        FILE_ROW("qwen3-vl-" #size "/generation_config.json", qwen3_generation)

static const struct builtin {
    const char *name, *text, *end;
} builtins[] = {
    FILE_ROW("tiny/config.json", tiny_config),
    FILE_ROW("tiny/preprocessor_config.json", tiny_preprocessor),
    FILE_ROW("tiny/generation_config.json", tiny_generation),
    FILE_ROW("tiny/tokenizer.json", tiny_tokenizer),
    QWEN_ROWS(2b),
    QWEN_ROWS(4b),
    QWEN_ROWS(8b),
};

const char *ptd_builtin(const char *name, size_t *len)
{
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (strcmp(builtins[i].name, name)) continue;
        if (len) *len = builtins[i].end - builtins[i].text;
        return builtins[i].text;
    }
    return NULL;
}

const char *ptd_builtin_model(int i)
{
    static const char *const names[] = {"tiny", "qwen3-vl-2b", "qwen3-vl-4b", "qwen3-vl-8b"};
    return i < 4 ? names[i] : NULL;
}

/* Without what does not belong to the network's shape. */
static struct ptd_config shape_of(const struct ptd_config *c)
{
    struct ptd_config s;
    memset(&s, 0, sizeof s);
    memcpy(&s, c, sizeof s);
    memset(s.eos, 0, sizeof s.eos);
    s.n_eos = s.thinking = s.dtype = s.tied = 0;
    s.init_std = 0;
    return s;
}

const char *ptd_config_name(const struct ptd_config *c)
{
    char path[64];
    struct ptd_config a = shape_of(c), b;
    for (int i = 0; ptd_builtin_model(i); i++) {
        snprintf(path, sizeof path, "%s/config.json", ptd_builtin_model(i));
        if (ptd_config_parse(&b, ptd_builtin(path, NULL), NULL) < 0) continue;
        b = shape_of(&b);
        if (!memcmp(&a, &b, sizeof a)) return ptd_builtin_model(i);
    }
    return NULL;
}
