/* Fuzzing entry: any bytes as the circumstances of a response (a byte) and a text (the rest), which
 * is a response and a question. Answers, their parts and options must lie within the text, with no
 * byte read behind it, and a good form must have its answer. Built by `make fuzz` for libFuzzer;
 * the same file serves AFL++. */
#include "judge/form.h"
#include "judge/options.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int within(const char *text, size_t n, const char *s, size_t len)
{
    return s >= text && len <= n && s + len <= text + n;
}

static void check_answer(int rule, const struct ptd_response *r)
{
    struct ptd_answer a;
    if (!ptd_extract(rule, r, &a)) {
        if (a.text || !a.reason || a.n_parts) abort();
        return;
    }
    if (a.reason || !a.len || !within(r->text, r->len, a.text, a.len)) abort();
    if (a.n_parts < 1 || a.n_parts > PTD_PARTS) abort();
    for (int i = 0; i < a.n_parts; i++)
        if (!a.part[i].len || !within(a.text, a.len, a.part[i].s, a.part[i].len)) abort();
    free(ptd_answer_joined(&a));
}

static void check_forms(const struct ptd_response *r)
{
    struct ptd_answer a;
    for (int rule = 0; ptd_format_names[rule]; rule++)
        if (ptd_format_good(rule, r) &&
            !ptd_extract(rule == PTD_FORMAT_TAG ? PTD_EXTRACT_TAG : PTD_EXTRACT_BOXED, r, &a))
            abort();
}

static void check_options(const char *question, size_t n)
{
    struct ptd_options o;
    if (ptd_options_read(question, &o) != o.n || o.n == 1 || o.n < 0 || o.n > PTD_OPTIONS) abort();
    for (int i = 0; i < o.n; i++) {
        const struct ptd_option *p = &o.option[i];
        if (p->letter != 'A' + i || !p->len || !within(question, n, p->text, p->len)) abort();
        if (i && p->text < p[-1].text + p[-1].len) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n) return 0;
    char *text = malloc(n); /* exactly as long, so that a sanitizer sees what is read behind it */
    memcpy(text, data + 1, n - 1);
    struct ptd_response r = {
        .text = text, .len = n - 1, .thought_opened = data[0] & 1, .cut = data[0] >> 1 & 1};
    for (int rule = 0; ptd_extract_names[rule]; rule++) check_answer(rule, &r);
    check_forms(&r);
    text[n - 1] = '\0';
    check_options(text, strlen(text));
    free(text);
    return 0;
}
