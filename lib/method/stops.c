/* stops: see stops.h. How texts are found in tokens is data/stop.c's. */
#include "method/stops.h"
#include <stdlib.h>
#include <string.h>

void ptd_stops_model(struct ptd_stops *s, const struct ptd_config *c)
{
    s->model = 1;
    for (int i = 0; i < c->n_eos; i++) s->ids[s->n_ids++] = c->eos[i];
}

int ptd_stops_add(struct ptd_stops *s, const struct ptd_tokenizer *t, const char *name)
{
    int32_t *ids;
    size_t len = 1;
    int id = ptd_tokenizer_id(t, name);
    if (s->n == PTD_STOPS_MAX)
        return ptd_fail(PTD_USAGE, "expected at most %d stop texts", PTD_STOPS_MAX);
    if (!*name) return ptd_fail(PTD_USAGE, "a stop text is empty, expected a byte or more");
    if (ptd_tokenizer_encode_data(t, name, strlen(name), &ids) < 0)
        return ptd_fail(PTD_USAGE, "a stop text: %s", ptd_failed_message());
    free(ids);
    s->names[s->n] = ptd_strdup(name);
    if (id >= 0) ptd_tokenizer_bytes(t, id, &len);
    if (len)
        s->texts[s->n_texts++] = s->names[s->n];
    else
        s->ids[s->n_ids++] = id;
    s->n++;
    return 0;
}

int ptd_stops_list(struct ptd_stops *s, const struct ptd_tokenizer *t, const char *list)
{
    char *copy = list ? ptd_strdup(list) : NULL, *rest = copy, *name;
    int rc = 0;
    while (rc == 0 && (name = strsep(&rest, ","))) rc = ptd_stops_add(s, t, name);
    free(copy);
    return rc;
}

void ptd_stops_set(struct ptd_stops *s, const struct ptd_tokenizer *t, struct ptd_sampling *to)
{
    if (s->n_texts) s->text = ptd_stop_new(t, s->texts, s->n_texts);
    to->stop = s->ids;
    to->n_stop = s->n_ids;
    to->stop_text = s->text;
}

char *ptd_stops_words(const struct ptd_stops *s)
{
    char *words = ptd_strdup(s->model ? "model" : "none");
    for (int i = 0; i < s->n; i++) {
        char *before = words;
        words = ptd_format("%s, \"%s\"", before, s->names[i]);
        free(before);
    }
    return words;
}

void ptd_stops_clear(struct ptd_stops *s)
{
    ptd_stop_free(s->text);
    while (s->n) free(s->names[--s->n]);
    memset(s, 0, sizeof *s);
}
