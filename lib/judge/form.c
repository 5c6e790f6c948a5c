/* form: the form of a response that earns; see form.h. */
#include "judge/form.h"
#include "judge/extract.h"
#include <string.h>

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

static int boxed_form(const char *text)
{
    const char *close;
    return count(text, PTD_BOX) == 1 && ptd_last_box(text, &close) &&
           close[1 + strspn(close + 1, " \t\r\n$.")] == '\0';
}

static int think_form(const char *text)
{
    const char *close, *box = ptd_last_box(text, &close);
    text += strspn(text, " \t\r\n");
    if (!box || strncmp(text, "<think>", 7) != 0) return 0;
    const char *end = strstr(text, "</think>");
    return end && end < box;
}

static int tag_form(const char *text)
{
    const char *close;
    return count(text, PTD_TAG_OPEN) == 1 && count(text, PTD_TAG_CLOSE) == 1 &&
           ptd_last_tag(text, &close) &&
           close[strlen(PTD_TAG_CLOSE) + strspn(close + strlen(PTD_TAG_CLOSE), " \t\r\n")] == '\0';
}

int ptd_format_good(int rule, const char *text)
{
    if (rule == PTD_FORMAT_THINK) return think_form(text);
    return rule == PTD_FORMAT_TAG ? tag_form(text) : boxed_form(text);
}
