/* stops: what ends the responses of a run, as options name it.
 *
 *     struct ptd_stops stops = {0};
 *     ptd_stops_model(&stops, &config);          // its own end of a turn
 *     ptd_stops_add(&stops, tokenizer, "}");     // 2: empty, no UTF-8, or too many
 *     ptd_stops_list(&stops, tokenizer, "a,b");
 *     ptd_stops_set(&stops, tokenizer, &sampling);
 *     ptd_stops_clear(&stops);
 *
 * A control token, which has no text, ends a response as a token, all else as text (data/stop.h).
 * What is given stays the caller's and has to live as long. */
#ifndef PTD_STOPS_H
#define PTD_STOPS_H
#include "data/config.h"
#include "net/sample.h"

#define PTD_STOPS_MAX 64

struct ptd_stops {
    char *names[PTD_STOPS_MAX]; /* as they were given */
    const char *texts[PTD_STOPS_MAX];
    int ids[PTD_STOP_MAX + PTD_STOPS_MAX], n, n_texts, n_ids, model;
    struct ptd_stop *text; /* NULL: none is a text */
};

void ptd_stops_model(struct ptd_stops *s, const struct ptd_config *c);
int ptd_stops_add(struct ptd_stops *s, const struct ptd_tokenizer *t,
                  const char *name) PTD_MUST_CHECK;
/* Several, by comma; NULL: none. */
int ptd_stops_list(struct ptd_stops *s, const struct ptd_tokenizer *t,
                   const char *list) PTD_MUST_CHECK;
/* All that was added, as sampling reads it; it points into s. */
void ptd_stops_set(struct ptd_stops *s, const struct ptd_tokenizer *t, struct ptd_sampling *to);
char *ptd_stops_words(const struct ptd_stops *s); /* `model, "}"`, malloc'd */
void ptd_stops_clear(struct ptd_stops *s);
#endif
