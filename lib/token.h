/* token: byte-level BPE as tokenizer.json describes it (Qwen2/Qwen3 family): added tokens, NFC, split
 * pattern, merges by rank.
 *
 * Supported: model BPE without dropout/unk/byte_fallback; normalizer NFC or null; pre_tokenizer
 * Sequence[Split(Regex, Isolated), ByteLevel] (or Split alone inside a Sequence); decoder ByteLevel; anything
 * else is refused by name with status 78. Limits: 64 MiB, 2,000,000 tokens, 4,000,000 merges; merges as "a b"
 * strings or two-element arrays. PCRE2 with JIT validates text once and is then called without re-checks. */
#ifndef PTD_TOKEN_H
#define PTD_TOKEN_H
#include "err.h"
#include <stddef.h>
#include <stdint.h>

struct ptd_tokenizer;
struct ptd_tokenizer *ptd_tokenizer_new(const char *json, size_t len,
                                        const char *name); /* NULL on failure; name for messages */
void ptd_tokenizer_free(struct ptd_tokenizer *t);
int ptd_tokenizer_size(const struct ptd_tokenizer *t); /* 1 + largest id */
/* Text (valid UTF-8, else 65) to ids; *ids is malloc'd. Returns the count or -1. Added tokens in the text
 * become their ids. */
int ptd_tokenizer_encode(const struct ptd_tokenizer *t, const char *text, size_t len,
                         int32_t **ids) PTD_MUST_CHECK;
/* Ids to text, malloc'd, NUL-terminated; invalid UTF-8 becomes U+FFFD. skip_special leaves out special added
 * tokens. */
char *ptd_tokenizer_decode(const struct ptd_tokenizer *t, const int32_t *ids, size_t n, int skip_special);
/* Id of an added token's or a base token's exact text, -1 if there is none. */
int ptd_tokenizer_id(const struct ptd_tokenizer *t, const char *text);
#endif
