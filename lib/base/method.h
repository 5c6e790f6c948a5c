/* method: rows of the tables of what can be chosen by name: losses, advantages, divergences. Each
 * row's struct begins with this one, and a table is an array of pointers to them, NULL at the end.
 *
 *     const struct ptd_method *m = ptd_method_named(ptd_losses, "loss", "ppo"); // NULL: 2
 *     const struct ptd_loss *loss = (const struct ptd_loss *)m; */
#ifndef PTD_METHOD_H
#define PTD_METHOD_H
#include "base/opt.h"

struct ptd_method {
    const char *name, *formula, *paper;
    /* Its own options on the command line, NULL: none, and what they are kept in, which holds the
     * defaults before. Their names are unique in a program, but rows of a table may share them. */
    const struct ptd_opt *options;
    const void *own;
};
typedef const struct ptd_method *const ptd_method_table[];

/* NULL, 2: no such name; the line names all there are, and the option `what`. */
const struct ptd_method *ptd_method_named(const struct ptd_method *const *table, const char *what,
                                          const char *name);
/* Misuse (2), ends the program: the command line gives an option of a row that is not the chosen
 * one, and so has no effect. */
void ptd_method_refuse_others(const struct ptd_method *const *table, const char *what,
                              const struct ptd_method *chosen);
char *ptd_method_names(const struct ptd_method *const *table); /* "ppo, sft", malloc'd */

/* A program's options with those of its methods: behind the row of `option`, in whose help a %s
 * becomes the names, come the options of all rows of its table, whose helps begin with the row's
 * name, or all names of those that share it. Malloc'd, as are the helps. */
struct ptd_method_choice {
    const char *option;
    const struct ptd_method *const *table;
};
struct ptd_opt *ptd_method_options(const struct ptd_opt *program,
                                   const struct ptd_method_choice *choices /* option NULL ends */);
#endif
