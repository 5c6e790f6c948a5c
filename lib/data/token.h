/* token: byte-level BPE as tokenizer.json describes it (Qwen2/Qwen3 family): added tokens, NFC,
 * split
 * pattern, merges by rank.
 *
 * The ids are those of the `tokenizers` library 0.23.3, for every text. That library mixes Unicode
 * versions, and so do we: normalisation as in Unicode 9 (the 108 younger marks with a combining
 * class neither move nor compose, nor does U+11930), \p{L} and \p{N} as in Unicode 16 (9,392
 * letters and numbers more than PCRE2 10.42 knows, from U+1C89 to the ideographs of extensions H
 * and I). Other properties in a pattern are PCRE2's own (Unicode 14).
 *
 * Supported: model BPE without dropout/unk/byte_fallback; normalizer NFC or null; pre_tokenizer
 * Sequence[Split(Regex, Isolated), ByteLevel] (or Split alone inside a Sequence); post_processors
 * that add nothing (null, ByteLevel, TemplateProcessing of the text alone, a Sequence of these);
 * decoder ByteLevel; added tokens in the text as it is or, with "normalized": true, in normal form;
 * in the pattern classes, groups, look-around, (?i:), \p, \s and plain characters, but not what
 * engines read differently (^ $ \w \b \h, classes in classes, a + behind {}). Anything else is
 * refused by name with status 78. Limits: 64 MiB, 2,000,000 tokens, 4,000,000 merges; merges as "a
 * b" strings or two-element arrays.
 *
 * Reading the 11 MB of Qwen3 takes 0.08 s, encoding 5 to 25 MB/s; no text takes more than O(n log
 * n). */
#ifndef PTD_TOKEN_H
#define PTD_TOKEN_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct ptd_tokenizer;
/* NULL on failure; name for messages */
struct ptd_tokenizer *ptd_tokenizer_new(const char *json, size_t len, const char *name);
void ptd_tokenizer_free(struct ptd_tokenizer *t);
int ptd_tokenizer_size(const struct ptd_tokenizer *t);      /* 1 + largest id */
size_t ptd_tokenizer_memory(const struct ptd_tokenizer *t); /* bytes of its tables */
/* Text (valid UTF-8, else 65) to ids; *ids is malloc'd. Returns the count or -1. Added tokens in
 * the text become their ids: for text of ours. One tokenizer may serve several threads. */
int ptd_tokenizer_encode(const struct ptd_tokenizer *t, const char *text, size_t len,
                         int32_t **ids) PTD_MUST_CHECK;
/* The same of text that others wrote: what spells a control token (an added token that is
 * `special`, such as <|im_end|>) stays text. Added tokens that are not special, such as <think>,
 * become their ids. These are the ids of the `tokenizers` library with encode_special_tokens, and
 * of transformers with split_special_tokens. */
int ptd_tokenizer_encode_data(const struct ptd_tokenizer *t, const char *text, size_t len,
                              int32_t **ids) PTD_MUST_CHECK;
/* A text of both: is_data [len] is 1 where it is others', else 0. A control token is one only where
 * none of its bytes is. */
int ptd_tokenizer_encode_mixed(const struct ptd_tokenizer *t, const char *text, const char *is_data,
                               size_t len, int32_t **ids) PTD_MUST_CHECK;
/* Ids to text, malloc'd, NUL-terminated (ids of control characters may put NULs inside, too);
 * invalid UTF-8 becomes U+FFFD, one for each longest part that could begin a character. Ids without
 * a token give nothing. skip_special leaves out special added tokens. */
char *ptd_tokenizer_decode(const struct ptd_tokenizer *t, const int32_t *ids, size_t n,
                           int skip_special);
/* Id of an added token's or a base token's exact text, -1 if there is none. */
int ptd_tokenizer_id(const struct ptd_tokenizer *t, const char *text);
/* The bytes that an id adds to a text without special tokens; *len 0 for those and for ids without
 * a token. They live as long as t. */
const char *ptd_tokenizer_bytes(const struct ptd_tokenizer *t, int32_t id, size_t *len);
#endif
