/* opt_file: a program's options as JSON: read from a file (--options), shown (--print-config), and
 * described with their help, for manuals and completion (--describe).
 *
 *     {"lr": 1e-5, "lambda": 1, "loss": "ppo"}                          of one program
 *     {"ptd-rollout": {"group-size": 8}, "ptd-update": {"lr": 1e-5}}    of a whole pipe: each
 *                                                                       program reads its own
 *
 * Keys are long names. A value is a number or a text, as the command line has it ("4Ki"); true or
 * false of a flag; a list of texts where an option may be given several times; null: the default.
 */
#ifndef PTD_OPT_FILE_H
#define PTD_OPT_FILE_H
#include "base/opt.h"
#include <jansson.h>

/* The options of a program in a file: an object, empty where the file has none for it;
 * json_decref(). NULL: 66, 65 what is no such object, 2 a section that is none. */
json_t *ptd_opt_file_read(const char *path, const char *program);
/* What the command line would say; malloc'd. NULL: it could not say that (a list, an object). */
char *ptd_opt_file_text(const json_t *value);
/* What an option holds; NULL: nothing. */
json_t *ptd_opt_file_value(const struct ptd_opt *o);

/* Prints {"ptd-update": {...}}: what --options reads back. */
void ptd_opt_print_config(const struct ptd_usage *u);
/* Prints all that --help says as one object: "name", "version", "summary", "operands", "examples",
 * "statuses" [{"code", "meaning"}], "options" [{"name", "letter", "kind" (flag, integer, number,
 * text, list), "arg", "default", "help", "least", "most"}]. defaults: one by option. */
void ptd_opt_describe(const struct ptd_usage *u, const struct ptd_opt *own, char *const *defaults);
#endif
