/* jinja_impl: what the jinja*.c share: jinja.c cuts a template into pieces and runs statements,
 * jinja_value.c works out values, jinja_call.c has functions, methods, filters and tests. Not for
 * others.
 *
 * Values are Jansson's, and live in a pool until the end; NULL is undefined. After the first
 * failure nothing more happens: values are undefined. */
#ifndef PTD_JINJA_IMPL_H
#define PTD_JINJA_IMPL_H
#include "data/jinja.h"
#include "flow/record.h"

enum {
    PTD_JINJA_SCOPES = 64,
    PTD_JINJA_MACROS = 64,
    PTD_JINJA_ARGUMENTS = 8,
    PTD_JINJA_LIST_MAX = 4096
};

struct ptd_jinja_piece {
    enum { PTD_JINJA_TEXT, PTD_JINJA_VALUE, PTD_JINJA_STATEMENT } kind;
    const char *from, *to;
};
struct ptd_jinja_macro {
    char name[64];
    const char *parameters, *end; /* behind the bracket, to the end of its piece */
    int body;
};
struct ptd_jinja_arguments {
    json_t *value[PTD_JINJA_ARGUMENTS];
    char name[PTD_JINJA_ARGUMENTS][64]; /* "": by place */
    int n;
};

struct ptd_jinja {
    struct ptd_jinja_piece *pieces;
    int n_pieces;
    const char *p, *end; /* what is being read */
    int dry;             /* read it, do nothing */
    int depth;
    long steps;
    size_t bytes;
    json_t *pool, *spaces;            /* all values; the namespaces among them */
    json_t *scopes[PTD_JINJA_SCOPES]; /* names are looked for from the last to `floor`, then in 0 */
    int n_scopes, floor;
    struct ptd_jinja_macro macros[PTD_JINJA_MACROS];
    int n_macros;
    struct ptd_buf *out;
    enum { PTD_JINJA_ON, PTD_JINJA_BREAK, PTD_JINJA_CONTINUE } flow;
    int failed;
    struct ptd_jinja_failure *why;
};

/* Keeps the first failure. Returns NULL. */
json_t *ptd_jinja_fail(struct ptd_jinja *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void ptd_jinja_step(struct ptd_jinja *j); /* one more thing done; fails if they are too many */
int ptd_jinja_enter(struct ptd_jinja *j); /* one level deeper (j->depth-- leaves it); 0: too deep */
json_t *ptd_jinja_keep(struct ptd_jinja *j, json_t *v); /* takes v into the pool */
json_t *ptd_jinja_text(struct ptd_jinja *j, const char *s, size_t n);
/* v, or NULL after a failure if it holds too much. Values never hold namespaces, so none holds
 * itself. */
json_t *ptd_jinja_checked(struct ptd_jinja *j, json_t *v);
int ptd_jinja_truth(const json_t *v);
/* v as {{ }} writes it; NULL after a failure. */
json_t *ptd_jinja_shown(struct ptd_jinja *j, json_t *v);

/* Reading: white space before it is skipped. */
int ptd_jinja_take(struct ptd_jinja *j, const char *sign);
int ptd_jinja_at_word(struct ptd_jinja *j, const char *word);
int ptd_jinja_take_word(struct ptd_jinja *j, const char *word);
int ptd_jinja_name(struct ptd_jinja *j, char name[64]); /* 0: there is none */
int ptd_jinja_at_end(struct ptd_jinja *j);

json_t *ptd_jinja_value(struct ptd_jinja *j);   /* with if-else */
json_t *ptd_jinja_operand(struct ptd_jinja *j); /* without, as `for` wants it */

/* Called with all arguments worked out; never in dry runs. */
json_t *ptd_jinja_function(struct ptd_jinja *j, const char *name, struct ptd_jinja_arguments *a);
json_t *ptd_jinja_method(struct ptd_jinja *j, json_t *v, const char *name,
                         struct ptd_jinja_arguments *a);
json_t *ptd_jinja_filter(struct ptd_jinja *j, json_t *v, const char *name,
                         struct ptd_jinja_arguments *a);
json_t *ptd_jinja_test(struct ptd_jinja *j, json_t *v, const char *name);
/* What a macro writes. */
json_t *ptd_jinja_expand(struct ptd_jinja *j, const struct ptd_jinja_macro *m,
                         struct ptd_jinja_arguments *a);
#endif
