/* template: which of the two chat templates (chat.h) a model has, by its files.
 *
 * A template is known by what it does: it is run (jinja.h) on a few conversations of a system
 * message, questions with and without pictures, and an answer between them, and must write what
 * chat.c writes. One that opens a thought at the end is Thinking's, one that ends with the
 * assistant's turn Instruct's, and any other is refused with the first difference: white space
 * trimmed, an assistant introduced by default, words around pictures. How it writes tools, videos
 * and thoughts of earlier answers is not asked. */
#ifndef PTD_TEMPLATE_H
#define PTD_TEMPLATE_H
#include "data/config.h"
#include "store/store.h"

/* 1: Thinking's; 0: Instruct's, as is NULL; -1 (78): neither. */
int ptd_template_thinks(const char *jinja) PTD_MUST_CHECK;
/* 0 "instruct", 1 "thinking", -1 any other name. */
int ptd_template_from_name(const char *name);

/* The same of a model's files, by their texts (NULL: not there). The first that has a template
 * decides, in the order of transformers 5.24: field "chat_template" of processor_config.json, that
 * of chat_template.json, chat_template.jinja; then, which the processor there would not look at,
 * the field (or what it names "default") of tokenizer_config.json; else Instruct. -1 with 65 for
 * what is no JSON. */
#define PTD_TEMPLATE_FILES 4
extern const char *const ptd_template_files[PTD_TEMPLATE_FILES];
int ptd_template_choose(const char *const text[PTD_TEMPLATE_FILES]) PTD_MUST_CHECK;

/* Writes a choice into a new store, which its files no longer decide then. */
int ptd_template_put(struct ptd_store *s, const char *name) PTD_MUST_CHECK;
/* Sets c->thinking by the store: by what was put, else by its files. */
int ptd_template_read(struct ptd_config *c, struct ptd_store *s) PTD_MUST_CHECK;
#endif
