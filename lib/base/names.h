/* names: texts as numbers: the first is 0, the next that is another one is 1, whatever their
 * bytes.
 *
 *     struct ptd_names names = {0};
 *     int i = ptd_names_add(&names, "cmax");   // names.at[i] is a copy
 *     ptd_names_clear(&names); */
#ifndef PTD_NAMES_H
#define PTD_NAMES_H

struct ptd_names {
    char **at; /* [n] */
    int n;
    /* its own */
    int cap, slots, *slot;
};
int ptd_names_add(struct ptd_names *t, const char *name);
int ptd_names_find(const struct ptd_names *t, const char *name); /* -1: it was not added */
void ptd_names_clear(struct ptd_names *t);
#endif
