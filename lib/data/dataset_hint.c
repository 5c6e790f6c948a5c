/* dataset_hint: hints that a row brings as text of their own, or inside of its prompt. What hints
 * may say is lib/method/hint's. */
#include "data/dataset_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- a hint inside a prompt ---- */

/* The text without marks and blanks around it, malloc'd. */
static char *bare(const char *s)
{
    struct ptd_buf out = {0};
    const char *at;
    size_t len;
    long number;
    for (; (at = ptd_mark_find(s, &len, &number)); s = at + len)
        ptd_buf_add(&out, s, (size_t)(at - s));
    ptd_buf_add(&out, s, strlen(s) + 1);
    char *text = ptd_strdup(out.data + strspn(out.data, " \t\r\n"));
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) text[--n] = 0;
    free(out.data);
    return text;
}

/* What `prompt` says besides the question, malloc'd: what stands in it, around it, or all. */
static char *besides(const char *question, const char *prompt)
{
    size_t q = strlen(question), n = strlen(prompt), before = 0, after = 0;
    const char *inside = strstr(prompt, question);
    while (before < q && question[before] == prompt[before]) before++;
    while (after < q - before && after < n - before &&
           question[q - 1 - after] == prompt[n - 1 - after])
        after++;
    if (before + after == q) return ptd_format("%.*s", (int)(n - q), prompt + before);
    if (inside) return ptd_format("%.*s%s", (int)(inside - prompt), prompt, inside + q);
    return ptd_strdup(prompt);
}

/* ---- what it says ---- */

/* Without a label of its own: prompts put one before it. */
static const char *behind_label(const char *s)
{
    static const char *const labels[] = {"**Hint:**",
                                         "**Hint**:",
                                         "Hints:",
                                         "Hint:",
                                         "\xe6\x8f\x90\xe7\xa4\xba\xef\xbc\x9a",
                                         "\xe6\x8f\x90\xe7\xa4\xba:"};
    s += strspn(s, " \t\r\n");
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strncasecmp(s, labels[i], strlen(labels[i])) == 0) {
            s += strlen(labels[i]);
            break;
        }
    return s;
}

static void take(struct ptd_row *r, const char *key, const char *text)
{
    const char *s = behind_label(text);
    s = ptd_row_trimmed(r, key, s, strlen(s));
    if (!*s) return;
    const char **steps = ptd_group_alloc(r->g, sizeof *steps);
    *steps = s;
    r->g->steps = steps;
    r->g->n_steps = 1;
}

static void take_list(struct ptd_row *r, const char *key, const json_t *list)
{
    size_t n = json_array_size(list);
    const char **steps = ptd_group_alloc(r->g, (n + 1) * sizeof *steps);
    if (n > PTD_DATASET_LIST) {
        ptd_row_fault(r, PTD_DATAERR, key, "%zu items, expected at most %d", n, PTD_DATASET_LIST);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || ptd_blank_text(s)) {
            ptd_row_fault(r, PTD_DATAERR, key, "item %zu: %s, expected text", i + 1,
                          s ? "empty" : "no text");
            return;
        }
        s = behind_label(s);
        steps[i] = ptd_row_trimmed(r, key, s, strlen(s));
    }
    r->g->steps = steps;
    r->g->n_steps = (int)n;
}

/* The text of a prompt with a hint: of a conversation, its last turn's. */
static char *prompt_text(struct ptd_row *r, const char *key, const json_t *v)
{
    const json_t *last = json_array_get(v, json_array_size(v) - 1);
    const json_t *content = json_object_get(last, "content");
    int own = r->n_own;
    if (!content) content = json_object_get(last, "value");
    char *text = ptd_row_content(r, key, json_is_array(v) ? (int)json_array_size(v) : 0,
                                 json_is_array(v) ? content : v);
    r->n_own = own;
    return text;
}

static void take_prompt(struct ptd_row *r, const char *key, const json_t *v)
{
    char *text = prompt_text(r, key, v);
    if (!text || !r->stem) {
        free(text);
        return;
    }
    char *question = bare(r->stem), *prompt = bare(text), *hint = besides(question, prompt);
    take(r, key, hint);
    free(hint);
    free(prompt);
    free(question);
    free(text);
}

void ptd_row_hint(struct ptd_row *r)
{
    static const char *const keys[] = {"hint", "hints", "prompt_with_hint", NULL};
    const char *key;
    for (int i = 0; keys[i] && !r->g->n_steps; i++) {
        json_t *v = ptd_row_value(r, (const char *const[]){keys[i], NULL}, &key);
        if (!v) continue;
        if (strcmp(key, "prompt_with_hint") == 0)
            take_prompt(r, key, v);
        else if (json_is_array(v))
            take_list(r, key, v);
        else if (json_is_string(v))
            take(r, key, json_string_value(v));
        else
            ptd_row_wrong(r, key, v, "text or a list of texts");
    }
}
