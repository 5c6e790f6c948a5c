/* token_impl: what the token*.c share: token_file.c fills it in, token.c reads it. Not for others.
 */
#ifndef PTD_TOKEN_IMPL_H
#define PTD_TOKEN_IMPL_H
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stddef.h>
#include <stdint.h>
#include "data/token.h"

#define PTD_TOKEN_IDS_MAX 2000000 /* ids are below this */
#define PTD_TOKEN_SYMBOLS 0x144   /* code points of vocabulary files are below this */

enum ptd_token_kind { PTD_TOKEN_ABSENT = 0, PTD_TOKEN_BASE, PTD_TOKEN_ADDED, PTD_TOKEN_SPECIAL };

struct ptd_token {
    uint32_t at, len;
    int kind;
}; /* its bytes: text[at .. at+len) */
/* Added tokens to look for, by first byte, then longest first. */
struct ptd_added {
    int32_t id;
    uint32_t at, len; /* what is looked for: text[at .. at+len) */
};
struct ptd_added_list {
    struct ptd_added *tokens;
    int n, at[257]; /* those with first byte b: tokens[at[b] .. at[b + 1]) */
};
struct ptd_merge {
    int32_t left, right, rank, id;
}; /* an empty slot has rank INT32_MAX */

struct ptd_tokenizer {
    char *name;
    int size;                 /* 1 + largest id */
    struct ptd_token *tokens; /* [size] */
    char *text;               /* the bytes of all tokens, one after another */
    size_t text_len;
    int32_t byte_id[256]; /* base token of each single byte */
    /* [size] is a token's text, as a piece, the token itself? Found out when first met */
    uint8_t *whole;
    int32_t *slots; /* hash of base tokens by bytes, -1 empty; [slot_mask + 1] */
    size_t slot_mask;
    struct ptd_merge *merges; /* hash by (left, right); [merge_mask + 1] */
    size_t merge_mask;
    /* in the text as it is; in normalised stretches between those ("normalized": true) */
    struct ptd_added_list added[2];
    int nfc; /* normalise to NFC first */
    pcre2_code *split;
};

/* The slot of the base token with exactly these bytes; it holds -1 if there is none. */
int32_t *ptd_token_slot(const struct ptd_tokenizer *t, const void *bytes, size_t len);
/* The slot of the merge of two neighbours; its rank is INT32_MAX if there is none. Room for n
 * merges by init. */
struct ptd_merge *ptd_token_merge_slot(const struct ptd_tokenizer *t, int32_t left, int32_t right);
void ptd_token_merges_init(struct ptd_tokenizer *t, size_t n);

/* Scratch of merging pieces: all 0 but t to begin with. */
struct ptd_merging {
    const struct ptd_tokenizer *t;
    struct ptd_symbol *symbols;
    uint64_t *heap;
    size_t n_heap, cap;
};
/* The ids of a piece of n > 0 bytes into out [n]; their count. Time O(n log n). */
size_t ptd_merging_piece(struct ptd_merging *m, const char *s, size_t n, int32_t *out);
void ptd_merging_clear(struct ptd_merging *m);

/* tokenizer.json in parts: its tables model.vocab and model.merges from bracket to bracket (text
 * NULL where there is none), and the rest with empty ones in their place, malloc'd. Never fails:
 * what is wrong stays in the parts. */
struct ptd_token_span {
    const char *text;
    size_t len;
};
struct ptd_token_parts {
    struct ptd_token_span vocab, merges;
    char *rest;
    size_t rest_len;
};
void ptd_token_cut(const char *json, size_t len, struct ptd_token_parts *parts);

/* Reads a table, behind its first bracket. */
struct ptd_token_reader {
    const char *p, *end;
    int16_t byte_of[PTD_TOKEN_SYMBOLS]; /* byte that a code point stands for, -1 for none */
};
void ptd_token_reader_init(struct ptd_token_reader *r, struct ptd_token_span table);
/* Takes c, white space before it, too; 0 if something else comes. */
int ptd_token_read_char(struct ptd_token_reader *r, char c);
/* The bytes that the symbols up to `stop` (taken) stand for; their count, -1 if something else
 * comes. out has room for what is left of the table. */
int ptd_token_read_symbols(struct ptd_token_reader *r, char stop, char *out);
/* A whole number below PTD_TOKEN_IDS_MAX, -1 if something else comes. */
int32_t ptd_token_read_id(struct ptd_token_reader *r);

/* The compiled split pattern of a file, or NULL; name for messages. */
pcre2_code *ptd_token_split(const char *pattern, const char *name);
/* Is s [len] (valid UTF-8) surely in normalisation form C? 0 if that needs a closer look. */
int ptd_token_is_nfc(const char *s, size_t len);
/* s [len] (valid UTF-8) in normalisation form C; malloc'd. */
char *ptd_token_nfc(const char *s, size_t len, size_t *out_len);
#endif
