/* choice: see choice.h. */
#include "judge/choice.h"
#include <ctype.h>
#include <string.h>

typedef const struct ptd_tok *tok;

/* Is t one of the words, with blanks between them? */
static int word_among(tok t, const char *words)
{
    for (size_t n; *words; words += n + 1) {
        n = strcspn(words, " ");
        if (n == (size_t)t->n && strncasecmp(words, t->s, n) == 0) return 1;
    }
    return 0;
}

static int is_wrap(int kind)
{
    return kind == '.' || kind == '"' || kind == '\'' || kind == '`' || kind == '*' ||
           kind == '#' || kind == ':' || kind == '=';
}

static int is_open(int kind)
{
    return kind == '(' || kind == '[' || kind == '{' || kind == PTD_T_LSET;
}

static int is_close(int kind)
{
    return kind == ')' || kind == ']' || kind == '}' || kind == PTD_T_RSET;
}

/* I, with II, III or IV soon behind it. */
static int is_roman(tok t)
{
    static const char *const others[] = {"II", "III", "IV", NULL};
    if (*t->s != 'I') return 0;
    for (tok u = t + 1; u->kind != PTD_T_END && u - t < 6; u++)
        if (ptd_tok_one_of(u, others)) return 1;
    return 0;
}

static int letter(tok t)
{
    if (t->kind != PTD_T_WORD || t->n != 1 || is_roman(t)) return 0;
    int c = toupper((unsigned char)t->s[0]);
    return c >= 'A' && c <= 'J' ? c : 0;
}

/* 答案是, 选: the word in front, whole or at the beginning of nothing else. */
static int is_chinese_lead(tok t)
{
    static const char *const leads[] = {
        "正确答案是", "正确答案为", "正确答案",   "正确选项是", "正确选项为", "正确选项",
        "答案是",     "答案为",     "答案选",     "答案",       "答",         "所以选",
        "所以",       "因此选",     "因此",       "故选",       "故",         "应选",
        "应该选",     "选择",       "选项",       "选项是",     "选项为",     "选",
        "我选",       "最终答案是", "最终答案为", "最终答案",   "所以答案是", "所以答案为",
        "因此答案是", "故答案为",   "故答案是",   "是",         "为",         NULL};
    return t->kind == PTD_T_WORD && ptd_tok_one_of(t, leads);
}

static int is_lead(tok t)
{
    static const char *const leads[] = {
        "the",    "correct", "right", "final",  "best", "answer",    "ans",    "option", "options",
        "choice", "choices", "is",    "are",    "so",   "therefore", "thus",   "hence",  "choose",
        "pick",   "select",  "it",    "s",      "must", "be",        "letter", "my",     "our",
        "both",   "either",  "would", "should", "i",    "we",        NULL};
    return t->kind == PTD_T_WORD && (t->n != 1 || *t->s == 'I' || *t->s == 'i' || *t->s == 's') &&
           (t->n == 0 || ptd_tok_one_of(t, leads) || is_chinese_lead(t));
}

/* Words in front that only lead to the letter; a letter itself ends them. */
static tok behind_lead(tok a, tok b)
{
    for (;;) {
        tok t = a;
        while (t < b && (is_wrap(t->kind) || t->kind == ',')) t++;
        if (t >= b || !is_lead(t) || (letter(t) && t + 1 == b)) return t;
        a = t + 1;
    }
}

/* The letter at *t, in brackets or not. */
static int take_letter(tok *t, tok b, int *marked)
{
    static const char *const nouns[] = {"option", "options", "choice", "answer", "选项", NULL};
    static const char *const behind[] = {"项", "选项", NULL};
    tok s = *t;
    int depth = 0, c;
    while (s < b && ptd_tok_one_of(s, nouns)) s++;
    while (s < b && is_open(s->kind)) s++, depth++;
    while (s < b && ptd_tok_one_of(s, nouns)) s++;
    if (s >= b || !(c = letter(s))) return 0;
    int bold = s->dress && (s + 1 == b || !s[1].dress || s[1].spaced & 2);
    if (s + 1 < b && ptd_tok_one_of(s + 1, behind)) bold = (s++, 1);
    int named = depth > 0 && !(s[-1].kind == '{' && islower((unsigned char)*s->s));
    for (s++, *marked = named || bold; depth > 0; depth--) {
        while (s < b && (s->kind == '.' || s->kind == ':')) s++;
        if (s >= b || !is_close(s->kind)) return 0;
        s++;
    }
    *t = s;
    return c;
}

static int is_join(tok t)
{
    static const char *const words[] = {"and", "or", "和", "或", "或者", "与", "及", NULL};
    return t->kind == ',' || t->kind == ';' || t->kind == '.' || t->kind == ':' || t->kind == '/' ||
           t->kind == ')' || t->kind == '&' || t->kind == '+' || t->kind == PTD_T_TO ||
           ptd_tok_one_of(t, words);
}

static int is_or(tok t)
{
    return ptd_tok_is(t, "or") || ptd_tok_is(t, "或") || ptd_tok_is(t, "或者");
}

/* A sign between letters that makes no list of them: a ratio, a sum. */
static int relates(tok t)
{
    return (t->kind == ':' && !t[1].spaced) || t->kind == '+' || t->kind == '/' ||
           t->kind == PTD_T_TO;
}

static void add(struct ptd_choice *c, int letter)
{
    unsigned bit = 1u << (letter - 'A');
    if (!(c->letters & bit)) c->n++;
    c->letters |= bit;
}

/* AC, BD: capital letters of a word that are options. */
static int take_word(tok t, struct ptd_choice *c)
{
    if (t->kind != PTD_T_WORD || t->n < 2 || t->n > 6) return 0;
    for (int i = 0; i < t->n; i++)
        if (t->s[i] < 'A' || t->s[i] > 'J' || (i && memchr(t->s, t->s[i], (size_t)i))) return 0;
    for (int i = 0; i < t->n; i++) add(c, t->s[i]);
    return 1;
}

static int is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* {A, C}: brackets around several letters are no one's. */
static int unwrap(tok *a, tok *b)
{
    int depth = 0;
    if (*b - *a < 5 || !is_open((*a)->kind) || !is_close((*b)[-1].kind)) return 0;
    for (tok t = *a; t < *b - 1; t++)
        if ((depth += is_open(t->kind) - is_close(t->kind)) == 0) return 0;
    ++*a, --*b;
    return 1;
}

/* The a of "B. a cat". */
static int is_article(tok t, tok b)
{
    return ptd_tok_is(t, "a") && *t->s == 'a' && t + 1 < b && t[1].kind == PTD_T_WORD;
}

/* The AC of "B. AC = BD", the A of "B. A > B": what a relation follows is no letter of a list. */
static int is_related(tok t, tok b)
{
    int before = t[-1].kind == ')' && t->spaced ? '.' : t[-1].kind;
    if (t + 1 >= b || t->kind != PTD_T_WORD || !(before == '.' || before == ':')) return 0;
    int kind = t[1].kind;
    return kind == '=' || kind == '<' || kind == '>' || kind == PTD_T_NE || kind == PTD_T_LE ||
           kind == PTD_T_GE || kind == PTD_T_ARROW;
}

/* "B. Both A and C", "B. A and C only": an option that speaks of others, not of itself. */
static int speaks_of_others(tok a, tok b, unsigned own)
{
    static const char *const first[] = {"Both", "Neither", "Either", NULL}, *const words[] = {
                                                                                "and",  "or",
                                                                                "nor",  "only",
                                                                                "are",  "correct",
                                                                                "true", NULL};
    int led = 0, closed = b - a > 1 && ptd_tok_is(b - 1, "only"), n = 0;
    for (int i = 0; first[i]; i++) led |= ptd_tok_is(a, first[i]) && isupper((unsigned char)*a->s);
    for (tok t = a + led; t < b; t++) {
        int l = letter(t);
        if (l && (own & 1u << (l - 'A'))) return 0;
        if (!l && !ptd_tok_one_of(t, words) && t->kind != ',' && !is_open(t->kind) &&
            !is_close(t->kind) && t->kind != '.')
            return 0;
        n += l > 0;
    }
    return n > 1 && (led || closed);
}

/* Do words on other options begin at t, behind the mark of the one letter there is? */
static int is_said(tok t, tok b, const struct ptd_choice *c)
{
    return c->n == 1 && strchr(".:)]", t[-1].kind < 128 ? t[-1].kind : 'x') &&
           speaks_of_others(t, b, c->letters);
}

/* Letters and what joins them, from a to b; returns where it ends. */
static tok take_all(tok a, tok b, struct ptd_choice *c)
{
    int l, marked;
    tok t = a, last = a;
    while (t < b &&
           !(c->n && !c->lower && (is_article(t, b) || is_related(t, b) || is_said(t, b, c)))) {
        if ((l = take_letter(&t, b, &marked)))
            add(c, l), c->marked |= marked, c->lower |= is_lower(t[-1].s[0]);
        else if (take_word(t, c))
            t++;
        else
            break;
        last = t;
        for (; t < b && is_join(t); t++) c->either |= is_or(t) || relates(t);
    }
    return t == b && (last == b || !strchr("+/&", b[-1].kind < 128 ? b[-1].kind : '.')) ? b : last;
}

/* Does another option's letter stand in t..b? */
static int names_another(tok a, tok b)
{
    for (tok t = a; t < b; t++) {
        if (!letter(t) || islower((unsigned char)*t->s)) continue;
        int in = t > a && is_open(t[-1].kind) && t + 1 < b && is_close(t[1].kind);
        int before = t > a && (is_or(t - 1) || ptd_tok_is(t - 1, "and") ||
                               ptd_tok_is(t - 1, "option") || ptd_tok_is(t - 1, "choose") ||
                               ptd_tok_is(t - 1, "not") || t[-1].kind == '/' || t[-1].kind == ',');
        int listed = t > a && t + 1 < b && t[-1].kind == PTD_T_NUM && t[1].kind == PTD_T_NUM;
        int after = t + 1 < b && (t[1].kind == '.' || t[1].kind == ':' || t[1].kind == ')');
        if (in || before || after || listed || (t == a && t + 1 == b)) return 1;
    }
    return 0;
}

static const char *const link_words =
    "and or nor xor but then also plus with along as well though too even unless "
    "except if instead of rather than followed by not versus vs maybe perhaps "
    "possibly likely probably could might may be is it s either minus without "
    "besides yet while however alternatively otherwise together the option choice "
    "answer 和 或 或者 与 及 以及 还有 跟 加 而 而非 而不是 不是 非 也 也许 可能 "
    "可能是 也可能是 但 但是 或是 并 再 然后 同 不选 而不选 除了 除非 ";

/* Words and signs that lead from a letter to another: "A, along with B", "A, maybe B", "A < B". */
static int links(tok t)
{
    return (t->kind < 128 && strchr(",;:.?/&+-*=<>|~!", t->kind)) || t->kind == PTD_T_CUP ||
           t->kind == PTD_T_CAP || t->kind == PTD_T_NE || t->kind == PTD_T_PM ||
           t->kind == PTD_T_APPROX || t->kind == PTD_T_TO || t->kind == PTD_T_ARROW ||
           t->kind == PTD_T_LE || t->kind == PTD_T_GE ||
           (t->kind == PTD_T_WORD && word_among(t, link_words));
}

/* Does what stands behind a letter lead to another one? */
static int links_another(tok a, tok b)
{
    tok t = a;
    int n = 0;
    for (; t < b && (links(t) || is_open(t->kind)); t++) n += !is_open(t->kind);
    return n && t < b && letter(t) && isupper((unsigned char)*t->s);
}

/* "A, not", "A. rejected", "(A) no good": nothing but that it is none. */
static int denies(tok a, tok b)
{
    static const char *const denials[] = {
        "not",      "no",       "never", "false",   "wrong",  "incorrect",  "eliminated",
        "rejected", "excluded", "out",   "invalid", "untrue", "impossible", "unlikely",
        "neither",  "cannot",   "isn",   "不选",    "不",     "不是",       "不对",
        "不正确",   "错",       "错误",  "错的",    "是错的", "是错误的",   "排除",
        "被排除",   "否",       "非",    "不成立",  NULL};
    static const char *const around[] = {
        "is",    "it",  "s",      "but",     "the",   "this",   "that", "one",   "good",
        "right", "t",   "option", "correct", "fully", "answer", "true", "quite", "sure",
        "ruled", "was", "be",     "可以",    "了",    "是",     "但",   "的",    NULL};
    int n = 0;
    for (tok t = a; t < b; t++)
        if (t->kind == PTD_T_NE || ptd_tok_one_of(t, denials))
            n++;
        else if (!is_wrap(t->kind) && t->kind != ',' && !ptd_tok_one_of(t, around))
            return 0;
    return n > 0;
}

/* "is correct", 正确: the only verbs that leave the letter an answer. */
static int confirms(tok a, tok b)
{
    static const char *const words[] = {
        "is",   "the",  "correct",  "right", "best",   "answer",   "option", "choice", "one",
        "true", "正确", "是正确的", "对",    "正确的", "选项正确", "项正确", NULL};
    tok t = a;
    for (; t < b; t++)
        if (!ptd_tok_one_of(t, words) && !is_wrap(t->kind)) return 0;
    return 1;
}

static int is_verb(tok t)
{
    static const char *const words[] = {
        "is",        "are",  "isn",      "was", "cannot", "can",      "looks",  "seems",  "could",
        "might",     "may",  "would",    "不",  "错",     "错误",     "不对",   "不正确", "wrong",
        "incorrect", "正确", "是正确的", "对",  "是错的", "选项正确", "项正确", NULL};
    return t->kind == PTD_T_WORD && ptd_tok_one_of(t, words);
}

/* Can what begins at t be an option's text right behind its letter? */
static int is_text(tok t, int kind_before)
{
    (void)kind_before;
    return t->kind == PTD_T_NUM || t->kind == PTD_T_FRAC || t->kind == PTD_T_SQRT ||
           t->kind == PTD_T_MONEY;
}

static tok behind_mark(tok t, tok b, int *mark)
{
    *mark = 0;
    while (t < b && (t->kind == '.' || t->kind == ')' || t->kind == ':' || t->kind == ',' ||
                     (t->kind == '-' && t->spaced && t + 1 < b && t[1].spaced))) {
        *mark = 1;
        t++;
    }
    return t;
}

/* Does an explanation begin at t: why it is the letter, whatever other letters it names? */
static int explains(tok t, tok b)
{
    static const char *const words[] = {"since",     "because", "explanation", "reason",
                                        "reasoning", "因为",    "由于",        "理由",
                                        "解析",      "原因",    NULL};
    return t < b && ptd_tok_one_of(t, words);
}

/* "B (A is too small)": words in brackets behind a capital letter. */
static int remarks(tok t, tok b)
{
    return b - t > 3 && t->kind == '(' && t->spaced && b[-1].kind == ')' &&
           t[1].kind == PTD_T_WORD && t[2].kind == PTD_T_WORD && !is_or(t + 1) &&
           !ptd_tok_is(t + 1, "and") && !ptd_tok_is(t + 1, "not");
}

/* "(A) and 3", "(A)=9", "B. Paris (or 8)": more than the letter and a text. */
static int goes_on(tok after, tok rest, tok b)
{
    static const char *const words[] = {"and", "or",   "nor",  "xor",  "和",
                                        "或",  "或者", "以及", "还有", NULL};
    int sign = after->kind < 128 ? strchr("=<>+*/^_|&", after->kind ? after->kind : ' ') != NULL
                                 : after->kind == PTD_T_NE || after->kind == PTD_T_CUP ||
                                       after->kind == PTD_T_LE || after->kind == PTD_T_GE ||
                                       after->kind == PTD_T_ARROW || after->kind == PTD_T_APPROX;
    if ((sign && after == rest && !after->spaced) || ptd_tok_one_of(rest, words)) return 1;
    for (tok t = rest; t + 1 < b; t++)
        if (t->kind == '(' && ptd_tok_one_of(t + 1, words)) return 1;
    return 0;
}

/* "B. No", "(A) False": what the option says, with a capital as options have it. */
static int is_verdict(tok a, tok b)
{
    while (b > a + 1 && b[-1].kind == '.') b--;
    return b - a == 1 && a->kind == PTD_T_WORD && isupper((unsigned char)*a->s) &&
           (ptd_tok_is(a, "no") || ptd_tok_is(a, "false") || ptd_tok_is(a, "incorrect"));
}

static int with_rest(tok after, tok b, struct ptd_choice *c, int capital)
{
    int mark;
    tok rest = behind_mark(after, b, &mark);
    int bracketed = after[-1].kind == ')' || after[-1].kind == ']';
    if (capital && ((mark && after->kind != ',') || bracketed) &&
        (speaks_of_others(rest, b, c->letters) || is_verdict(rest, b))) {
        c->marked = 1;
        c->rest = rest;
        c->n_rest = (int)(b - rest);
        return 1;
    }
    if (capital && explains(rest, b)) return 1;
    if (capital && remarks(rest, b)) mark = 1;
    int text = (mark || c->marked) && ptd_tok_is(rest, "cannot") && *rest->s == 'C';
    if (!text && is_verb(rest)) {
        if (confirms(rest, b)) return 1;
        c->reason = "several options";
        return 0;
    }
    if (!mark && !c->marked && !(capital && is_text(rest, 0) && rest->spaced)) return 0;
    if (!capital && !c->marked && !mark) return 0;
    c->marked = 1;
    c->rest = rest;
    c->n_rest = (int)(b - rest);
    if (names_another(rest, b) || links_another(rest, b) || goes_on(after, rest, b))
        c->reason = "several options";
    if (denies(rest, b)) c->reason = "denied";
    return !c->reason;
}

#define ITEM_TOKENS 24 /* of an option's text in a list of several */

/* Is the letter at t one of a list whose letters stand in brackets, or before this mark? */
static int is_item(tok t, int mark, int open)
{
    tok before = open ? t - 2 : t - 1;
    int parted = before->kind == ',' || before->kind == ';' || ptd_tok_is(before, "and") ||
                 ptd_tok_is(before, "和");
    return parted && (!open || is_open(t[-1].kind)) && t[1].kind == mark && letter(t) &&
           isupper((unsigned char)*t->s);
}

static int is_item_text(tok a, tok b)
{
    return a < b && b - a <= ITEM_TOKENS && !denies(a, b);
}

/* "A. 2, C. 7": letters with their texts, all marked alike, behind the first letter at `after`. */
static int take_items(tok after, tok b, int open, struct ptd_choice *c)
{
    int mark = open ? after[-1].kind : after->kind;
    tok from = open ? after : after + 1;
    if (!open && (after >= b || !strchr(".:)", mark < 128 ? mark : ' '))) return 0;
    for (tok t = from + 1 + open; t + 1 < b; t++) {
        if (!is_item(t, mark, open)) continue;
        if (!is_item_text(from, t - 1 - open)) return 0;
        add(c, letter(t));
        from = t + 2;
    }
    return c->n > 1 && is_item_text(from, b);
}

/* One letter with what stands behind it, or several with their texts. */
static int read_rest(tok a, tok b, struct ptd_choice *c)
{
    int marked;
    tok first = a;
    if (!take_letter(&first, b, &marked)) return 0;
    int capital = isupper((unsigned char)first[-1].s[0]) ||
                  (is_close(first[-1].kind) && first[-1].kind != '}');
    if (first[-1].kind == '}' && strchr("+*=/^_", first->kind < 128 ? first->kind : ' ')) return 0;
    struct ptd_choice several = *c;
    if (take_items(first, b, is_close(first[-1].kind), &several)) {
        *c = several;
        return 1;
    }
    c->marked = marked;
    return with_rest(first, b, c, capital);
}

int ptd_choice_first(const struct ptd_tok *t, int n, struct ptd_choice *c)
{
    tok b = t + n, a = behind_lead(t, b);
    int l, mark;
    *c = (struct ptd_choice){.n = 0};
    if (!(l = take_letter(&a, b, &mark))) return 0;
    add(c, l);
    c->rest = behind_mark(a, b, &c->marked);
    c->n_rest = (int)(b - c->rest);
    c->marked |= mark;
    return c->marked && c->n_rest > 0;
}

int ptd_choice_read(const struct ptd_tok *t, int n, struct ptd_choice *c)
{
    tok a = t, b = t + n;
    *c = (struct ptd_choice){.n = 0};
    a = behind_lead(a, b);
    int quoted = n > 0 && t->kind == '\'';
    while (b > a && (is_wrap(b[-1].kind) || b[-1].kind == ',' || b[-1].kind == '!') &&
           (quoted || b[-1].kind != '\''))
        b--;
    while (unwrap(&a, &b)) continue;
    tok end = take_all(a, b, c);
    if (c->n == 0) return 0;
    if (end == b) {
        if (c->n > 1 && c->either) c->reason = "several options";
        return 1;
    }
    if (c->n > 1) {
        c->reason = "several options";
        return 0;
    }
    return read_rest(a, b, c);
}

/* ---- golds ---- */

/* A lone letter that is rather a variable: e, i. */
static int is_symbol(tok a, tok b)
{
    return b - a == 1 && a->n == 1 && strchr("ei", *a->s);
}

static int in_order(tok t)
{
    for (int i = 1; i < t->n; i++)
        if (t->s[i] <= t->s[i - 1]) return 0;
    return 1;
}

static int joined_as_gold(tok a, tok b)
{
    for (tok t = a; t < b; t++) {
        int joins = t->kind == ',' || t->kind == ';' || ptd_tok_is(t, "and") || ptd_tok_is(t, "和");
        int single = letter(t) && isupper((unsigned char)*t->s);
        if (t->kind == PTD_T_WORD && t->n > 1 && !joins && !in_order(t)) return 0;
        if (!joins && !single && t->kind != PTD_T_WORD && !is_open(t->kind) && !is_close(t->kind))
            return 0;
        if (letter(t) && !single) return 0;
    }
    return 1;
}

int ptd_choice_gold(const struct ptd_tok *t, int n, struct ptd_choice *c)
{
    tok a = t, b = t + n;
    int quoted = n > 0 && t->kind == '\'';
    while (b > a && is_wrap(b[-1].kind) && (quoted || b[-1].kind != '\'')) b--;
    while (b > a && (is_wrap(a->kind))) a++;
    if (!ptd_choice_read(a, (int)(b - a), c) || c->reason || c->either) return 0;
    if (c->n > 1) return joined_as_gold(a, b);
    if (!c->n_rest) return !is_symbol(a, b);
    /* B. 12 cm; not A.D. or a: b, which are no letter with a text */
    int one = c->n_rest == 1 && c->rest->kind == PTD_T_WORD && c->rest->n == 1 && letter(c->rest);
    int capital = is_open(a->kind) || isupper((unsigned char)*a->s);
    return !one && capital && c->marked;
}
