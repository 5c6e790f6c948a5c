/* commands: what LaTeX's commands mean to a reader of answers. */
#ifndef PTD_COMMANDS_H
#define PTD_COMMANDS_H
#include <stddef.h>
#include <stdint.h>

enum ptd_command_kind {
    PTD_C_SPACE = 250, /* a blank, or a change of look that means as little */
    PTD_C_NOTHING,
    PTD_C_DRESS, /* its argument is words */
    PTD_C_SKIP,  /* its argument means nothing either */
};
struct ptd_command {
    const char *name;
    uint8_t kind;     /* of the above, or a token's (lex.h) */
    const char *word; /* what stands for it; NULL: its own name */
};
const struct ptd_command *ptd_command_named(const char *name, size_t n); /* NULL: not known */
#endif
