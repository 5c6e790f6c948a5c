/* told: see told.h. */
#include "method/told.h"
#include "base/json.h"

json_t *ptd_told_group(const struct ptd_group *g)
{
    json_t *o = json_object();
    ptd_json_put(o, "uid", ptd_json_text(g->uid));
    ptd_json_put(o, "step", json_integer(g->step));
    ptd_json_put(o, "category", ptd_json_text(g->category));
    ptd_json_put(o, "system", ptd_json_text(g->system));
    ptd_json_put(o, "question", ptd_json_text(g->question));
    ptd_json_put(o, "answer", ptd_json_text(g->answer));
    ptd_json_put(o, "answers", ptd_json_texts(g->answers, g->n_answers));
    ptd_json_put(o, "judge", ptd_json_text(g->judge));
    ptd_json_put(o, "solution", ptd_json_text(g->solution));
    return o;
}
