/* json: JSON of others, read by Jansson, which refuses a whole text for one number that its types
 * do not hold.
 *
 * transformers writes "model_max_length": 1000000000000000019884624838656; a key that nobody asks
 * for must not make a file unreadable. */
#ifndef PTD_JSON_H
#define PTD_JSON_H
#include <jansson.h>

/* As json_loadb, but a number outside of int64 or double becomes a string of its digits: whoever
 * needs a number there finds a text, whoever takes both keeps every digit. *e (may be NULL) says
 * line and column of the text as it came. */
json_t *ptd_json_load(const char *text, size_t len, size_t flags, json_error_t *e);
/* As json_loadb, but every number becomes a string of the digits that the text has for it. */
json_t *ptd_json_load_digits(const char *text, size_t len, size_t flags, json_error_t *e);

/* A copy of `text`, an object that is valid JSON, with the value of `key` in it, or in its member
 * `object` if that is not NULL, replaced by `value`; every other byte stays. NULL if there is no
 * such key, spelled without escapes. */
char *ptd_json_replace(const char *text, const char *object, const char *key, const char *value);
/* The same with a new key in front of the others, of which there must be one. */
char *ptd_json_insert(const char *text, const char *key, const char *value);

/* What others are told. A text in UTF-8 whatever its bytes are; NULL of NULL. */
json_t *ptd_json_text(const char *s);
json_t *ptd_json_texts(const char *const *texts, int n); /* a list; NULL of none */
/* Takes value, if it is not NULL. */
void ptd_json_put(json_t *object, const char *key, json_t *value);
/* The object in one line of *len bytes with its end, numbers with so many digits; malloc'd. Takes
 * the object. */
char *ptd_json_line(json_t *object, int digits, size_t *len);
#endif
