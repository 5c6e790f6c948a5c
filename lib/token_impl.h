/* token_impl: what token_file.c fills in and token.c reads. Not for others. */
#ifndef PTD_TOKEN_IMPL_H
#define PTD_TOKEN_IMPL_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stddef.h>
#include <stdint.h>
#include "token.h"

#define PTD_TOKEN_IDS_MAX 2000000 /* ids are below this */

enum ptd_token_kind { PTD_TOKEN_ABSENT = 0, PTD_TOKEN_BASE, PTD_TOKEN_ADDED, PTD_TOKEN_SPECIAL };

struct ptd_token {
    uint32_t at, len;
    int kind;
}; /* its bytes: text[at .. at+len) */
struct ptd_merge {
    int32_t left, right, rank, id;
}; /* an empty slot has rank -1 */

struct ptd_tokenizer {
    char *name;
    int size;                 /* 1 + largest id */
    struct ptd_token *tokens; /* [size] */
    char *text;               /* the bytes of all tokens, one after another */
    size_t text_len;
    int32_t byte_id[256]; /* base token of each single byte */
    int32_t *slots;       /* hash of base tokens by bytes, -1 empty; [slot_mask + 1] */
    size_t slot_mask;
    struct ptd_merge *merges; /* hash by (left, right); [merge_mask + 1] */
    size_t merge_mask;
    int32_t *added;    /* added tokens by first byte, then longest first */
    int added_at[257]; /* those with first byte b: added[added_at[b] .. added_at[b + 1]) */
    int nfc;           /* normalise to NFC first */
    pcre2_code *split;
};

/* The base token with exactly these bytes, or -1. */
int32_t ptd_token_find(const struct ptd_tokenizer *t, const void *bytes, size_t len);
/* The merge of two neighbours, or NULL. */
const struct ptd_merge *ptd_token_merge(const struct ptd_tokenizer *t, int32_t left, int32_t right);
#endif
