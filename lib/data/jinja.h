/* jinja: runs chat templates, as far as those of language models use Jinja2, as transformers sets
 * it up (trim_blocks, lstrip_blocks, break and continue): so that what a template does can be seen
 * by what it writes.
 *
 * Known: {{ }} {% %} {# #} with - and +; if, for (with if and else), set (of a name, of a
 * namespace's member, or of a block), macro, break, continue, generation; literals, attributes,
 * indices, slices, calls, ~ + - * / // % comparisons, in, is, and, or, not, if-else; the functions,
 * methods, filters and tests in the tables of jinja_call.c. Whatever else is met on the way fails
 * by name; what lies in branches that are not taken is only read.
 *
 * A template is untrusted: a run ends after 50,000 steps, 64 levels, 64 KiB of output or in a text,
 * 8 MiB in all texts, or 4096 values in a list. */
#ifndef PTD_JINJA_H
#define PTD_JINJA_H
#include <jansson.h>
#include <stddef.h>

struct ptd_jinja_failure {
    char text[120]; /* one line */
    int unknown; /* something that Jinja2 may know, and this does not; else the template's own fault
                  */
};
/* What the template writes for the variables of an object, malloc'd with a NUL behind it; NULL:
 * *why tells. */
char *ptd_jinja_run(const char *source, json_t *variables, struct ptd_jinja_failure *why);
#endif
