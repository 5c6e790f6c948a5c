/* plugin: code that a program opens when it is asked for: libptd-NAME.so, beside the program or in
 * lib, for whose libraries nobody else has to wait. */
#ifndef PTD_PLUGIN_H
#define PTD_PLUGIN_H

/* The library's path, malloc'd; NULL: there is none. */
char *ptd_plugin_find(const char *name);
/* What it has under that name. NULL: 69, with what the linker said or what would make it. */
void *ptd_plugin_door(const char *name, const char *symbol);
#endif
