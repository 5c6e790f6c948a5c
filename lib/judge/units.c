/* units: the table; see units.h. */
#include "judge/units.h"
#include "judge/numeral.h"
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the table ---- */

enum { METRIC = 1, PERCENT = 2, CELSIUS = 4, FAHRENHEIT = 8 };

static const struct row {
    int64_t num, den;
    int ten;
    int8_t dim[PTD_DIMS];
    int flags;
    const char *signs; /* case means something: parted by | */
    const char *words; /* case means nothing */
} rows[] = {
#define L     [PTD_DIM_LENGTH]
#define M     [PTD_DIM_MASS]
#define T     [PTD_DIM_TIME]
#define I     [PTD_DIM_CURRENT]
#define ON(d) [PTD_DIM_##d] = 1
    /* length, area, volume */
    {1, 1, 0, {L = 1}, METRIC, "m|米|公尺", "meter|metre"},
    {1, 1, -2, {L = 1}, 0, "厘米|公分", ""},
    {1, 1, -3, {L = 1}, 0, "毫米", ""},
    {1, 1, -1, {L = 1}, 0, "分米", ""},
    {1, 1, 3, {L = 1}, 0, "千米|公里", ""},
    {1, 1, -6, {L = 1}, 0, "微米", "micron"},
    {254, 1, -4, {L = 1}, 0, "in|英寸", "inch|inches"},
    {3048, 1, -4, {L = 1}, 0, "ft|英尺", "foot|feet"},
    {9144, 1, -4, {L = 1}, 0, "yd|码", "yard|yds"},
    {1609344, 1, -3, {L = 1}, 0, "mi|英里", "mile"},
    {1852, 1, 0, {L = 1}, 0, "nmi|海里", "nautical mile"},
    {9460730472580800, 1, 0, {L = 1}, 0, "ly|光年", "light year|lightyear"},
    {1, 1, -10, {L = 1}, 0, "", "angstrom"},
    {1, 1, 4, {L = 2}, 0, "ha|公顷", "hectare"},
    {40468564224, 1, -7, {L = 2}, 0, "ac|英亩", "acre"},
    {1, 1, -3, {L = 3}, METRIC, "L|l|升", "liter|litre"},
    {1, 1, -6, {L = 3}, 0, "cc|毫升", ""},
    {3785411784, 1, -12, {L = 3}, 0, "gal|加仑", "gallon"},
    {946352946, 1, -12, {L = 3}, 0, "qt", "quart"},
    {473176473, 1, -12, {L = 3}, 0, "pt", "pint"},
    {2365882365, 1, -13, {L = 3}, 0, "", "cup"},
    {295735295625, 1, -16, {L = 3}, 0, "", "fluid ounce|fl oz"},
    /* mass */
    {1, 1, -3, {M = 1}, METRIC, "g|克", "gram|gramme"},
    {1, 1, 0, {M = 1}, 0, "千克|公斤", "kilo|kgs"},
    {1, 2, 0, {M = 1}, 0, "斤", ""},
    {1, 1, 3, {M = 1}, 0, "t|吨", "tonne|ton|metric ton"},
    {45359237, 1, -8, {M = 1}, 0, "lb|lbs|磅", "pound"},
    {45359237, 16, -8, {M = 1}, 0, "oz|盎司", "ounce"},
    /* time, speed, frequency */
    {1, 1, 0, {T = 1}, METRIC, "s|秒|秒钟", "second|sec|secs"},
    {60, 1, 0, {T = 1}, 0, "min|分钟|分", "minute|mins"},
    {3600, 1, 0, {T = 1}, 0, "h|hr|小时|个小时|时", "hour|hrs"},
    {86400, 1, 0, {T = 1}, 0, "d|天|日", "day"},
    {604800, 1, 0, {T = 1}, 0, "周|星期|个星期", "week|wk|wks"},
    {1, 1, 0, {ON(MONTH)}, 0, "月|个月", "month|mo|mos"},
    {12, 1, 0, {ON(MONTH)}, 0, "年|岁", "year|yr|yrs|year old|years old"},
    {120, 1, 0, {ON(MONTH)}, 0, "", "decade"},
    {12, 1, 2, {ON(MONTH)}, 0, "世纪", "century|centuries"},
    {1609344, 3600, -3, {L = 1, T = -1}, 0, "mph", ""},
    {1, 36, 1, {L = 1, T = -1}, 0, "kph|kmh|kmph", ""},
    {1852, 3600, 0, {L = 1, T = -1}, 0, "kn", "knot"},
    {1, 1, 0, {T = -1}, METRIC, "Hz", "hertz"},
    {1, 60, 0, {T = -1}, 0, "bpm|rpm", ""},
    /* angle, temperature */
    {1, 1, 0, {ON(ANGLE)}, 0, "deg|度", "degree|degs"},
    {1, 60, 0, {ON(ANGLE)}, 0, "arcmin", "arcminute|minute of arc"},
    {1, 3600, 0, {ON(ANGLE)}, 0, "arcsec", "arcsecond|second of arc"},
    {1, 1, 0, {ON(RADIAN)}, 0, "rad|弧度", "radian|rads"},
    {1,
     1,
     0,
     {ON(HEAT)},
     CELSIUS,
     "degC|摄氏度",
     "celsius|degree celsius|degree c|degree centigrade"},
    {5, 9, 0, {ON(HEAT)}, FAHRENHEIT, "degF|华氏度", "fahrenheit|degree fahrenheit|degree f"},
    {1, 1, 0, {ON(HEAT)}, 0, "K|开尔文", "kelvin"},
    /* force, pressure, energy, power, electricity, light, matter */
    {1, 1, 0, {M = 1, L = 1, T = -2}, METRIC, "N|牛|牛顿", "newton"},
    {1, 1, 0, {M = 1, L = -1, T = -2}, METRIC, "Pa|帕|帕斯卡", "pascal"},
    {1, 1, 5, {M = 1, L = -1, T = -2}, 0, "bar|bars", ""},
    {101325, 1, 0, {M = 1, L = -1, T = -2}, 0, "atm", "atmosphere"},
    {101325, 760, 0, {M = 1, L = -1, T = -2}, 0, "mmHg|Torr|torr", ""},
    {6894757293168, 1, -9, {M = 1, L = -1, T = -2}, 0, "psi", ""},
    {1, 1, 0, {M = 1, L = 2, T = -2}, METRIC, "J|焦|焦耳", "joule"},
    {4184, 1, -3, {M = 1, L = 2, T = -2}, METRIC, "cal", "calorie"},
    {4184, 1, 0, {M = 1, L = 2, T = -2}, 0, "Cal|千卡|大卡", ""},
    {1602176634, 1, -28, {M = 1, L = 2, T = -2}, METRIC, "eV", "electronvolt|electron volt"},
    {36, 1, 2, {M = 1, L = 2, T = -2}, METRIC, "Wh", "watt hour"},
    {36, 1, 5, {M = 1, L = 2, T = -2}, 0, "千瓦时|度电", ""},
    {105505585262, 1, -8, {M = 1, L = 2, T = -2}, 0, "BTU|Btu", ""},
    {1, 1, 0, {M = 1, L = 2, T = -3}, METRIC, "W|瓦|瓦特", "watt"},
    {1, 1, 3, {M = 1, L = 2, T = -3}, 0, "千瓦", ""},
    {745699872, 1, -6, {M = 1, L = 2, T = -3}, 0, "hp|马力", "horsepower|horse power"},
    {1, 1, 0, {I = 1}, METRIC, "A|安|安培", "amp|ampere"},
    {1, 1, 0, {I = 1, T = 1}, METRIC, "C|库仑", "coulomb"},
    {1, 1, 0, {M = 1, L = 2, T = -3, I = -1}, METRIC, "V|伏|伏特", "volt"},
    {1, 1, 0, {M = 1, L = 2, T = -3, I = -2}, METRIC, "Omega|欧|欧姆", "ohm"},
    {1, 1, 0, {M = -1, L = -2, T = 4, I = 2}, METRIC, "F|法拉", "farad"},
    {1, 1, 0, {M = 1, T = -2, I = -1}, METRIC, "T", "tesla"},
    {1, 1, 0, {M = 1, L = 2, T = -2, I = -1}, METRIC, "Wb", "weber"},
    {1, 1, 0, {M = 1, L = 2, T = -2, I = -2}, METRIC, "H", "henry"},
    {1, 1, 0, {ON(AMOUNT)}, METRIC, "mol|摩尔", "mole"},
    {1, 1, 0, {ON(LIGHT)}, METRIC, "cd|lm|lx", "candela|lumen|lux"},
    /* data */
    {1, 1, 0, {ON(DATA)}, METRIC, "b|比特", "bit"},
    {8, 1, 0, {ON(DATA)}, METRIC, "B|字节", "byte"},
    {8192, 1, 0, {ON(DATA)}, 0, "KiB", "kibibyte"},
    {8388608, 1, 0, {ON(DATA)}, 0, "MiB", "mebibyte"},
    {8589934592, 1, 0, {ON(DATA)}, 0, "GiB", "gibibyte"},
    /* money */
    {1, 1, 0, {ON(USD)}, 0, "$|USD|美元|美金", "dollar|us dollar|buck|usd"},
    {1, 1, -2, {ON(USD)}, 0, "¢|美分", "cent"},
    {1, 1, 0, {ON(EUR)}, 0, "eur|EUR|欧元", "euro"},
    {1, 1, 0, {ON(GBP)}, 0, "gbp|GBP|英镑", "pound sterling|pounds sterling|quid"},
    {1, 1, 0, {ON(CNY)}, 0, "yuan|CNY|RMB|元|块|块钱|元钱|人民币", "yuan|renminbi|rmb"},
    {1, 1, -1, {ON(CNY)}, 0, "角|毛", ""},
    {1, 1, 0, {ON(JPY)}, 0, "JPY|日元|円", "yen"},
    {1, 1, 0, {ON(INR)}, 0, "inr|INR|Rs|₹|卢比", "rupee|rs"},
    {1, 1, 0, {ON(KRW)}, 0, "KRW|₩|韩元", "won"},
    /* of no dimension */
    {1, 1, 0, {ON(UNIT)}, 0, "单位|个单位", "unit"},
    {1, 1, 0, {0}, PERCENT, "%", "percent|per cent|pct|percentage point"},
#undef L
#undef M
#undef T
#undef I
#undef ON
};

static const struct prefix {
    const char *sign, *word;
    int ten;
} prefixes[] = {{"k", "kilo", 3},   {"c", "centi", -2}, {"m", "milli", -3}, {"M", "mega", 6},
                {"d", "deci", -1},  {"h", "hecto", 2},  {"G", "giga", 9},   {"T", "tera", 12},
                {"u", "micro", -6}, {"n", "nano", -9},  {"p", "pico", -12}, {"K", "", 3},
                {NULL, NULL, 0}};

/* ---- names, sorted once ---- */

static struct name {
    const char *s;
    size_t n;
    const struct row *row;
    int word;
} names[600];
static size_t n_names;

static int name_order(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->s, y->s, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static void add_names(const char *list, const struct row *row, int word)
{
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, "|");
        names[n_names++] = (struct name){s, n, row, word};
        s += n + (s[n] == '|');
    }
}

static void build(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        add_names(rows[i].signs, &rows[i], 0);
        add_names(rows[i].words, &rows[i], 1);
    }
    qsort(names, n_names, sizeof *names, name_order);
}

static const struct row *find(const char *s, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, build);
    struct name key = {s, n, NULL, 0};
    const struct name *found = bsearch(&key, names, n_names, sizeof *names, name_order);
    return found ? found->row : NULL;
}

/* ---- one name ---- */

static void take(struct ptd_unit *u, const struct row *row, int ten)
{
    *u = (struct ptd_unit){.num = row->num, .den = row->den, .ten = row->ten + ten};
    memcpy(u->dim, row->dim, sizeof u->dim);
    u->percent = (row->flags & PERCENT) != 0;
    u->scale = row->flags & CELSIUS ? 'C' : row->flags & FAHRENHEIT ? 'F' : 0;
}

static int with_prefix(const char *s, size_t n, int word, struct ptd_unit *u)
{
    for (const struct prefix *p = prefixes; p->sign; p++) {
        const char *with = word ? p->word : p->sign;
        size_t m = strlen(with);
        if (!m || n <= m || memcmp(s, with, m) != 0) continue;
        const struct row *row = find(s + m, n - m);
        if (!row || !(row->flags & METRIC)) continue;
        take(u, row, p->ten);
        return 1;
    }
    return 0;
}

static int by_sign(const char *s, size_t n, struct ptd_unit *u)
{
    const struct row *row = find(s, n);
    if (row) take(u, row, 0);
    return row || with_prefix(s, n, 0, u);
}

static int by_word(const char *s, size_t n, struct ptd_unit *u)
{
    const struct row *row = find(s, n);
    if (!row && n > 2 && s[n - 1] == 's') row = find(s, --n);
    if (row) take(u, row, 0);
    return row || with_prefix(s, n, 1, u);
}

static int named(const char *s, size_t n, struct ptd_unit *u)
{
    char low[40];
    if (n == 0 || n >= sizeof low) return 0;
    if (by_sign(s, n, u)) return 1;
    for (size_t i = 0; i < n; i++) low[i] = (char)tolower((unsigned char)s[i]);
    if ((n > 1 && by_sign(low, n, u)) || (n > 2 && by_word(low, n, u))) return 1;
    return n > 2 && low[n - 1] == 's' && by_sign(low, n - 1, u); /* cms */
}

/* ---- products of powers ---- */

static int times(int64_t *a, int64_t b)
{
    return !__builtin_mul_overflow(*a, b, a);
}

static int multiply(struct ptd_unit *u, const struct ptd_unit *f, int power)
{
    int up = power > 0, k = up ? power : -power;
    for (int i = 0; i < k; i++)
        if (!times(&u->num, up ? f->num : f->den) || !times(&u->den, up ? f->den : f->num))
            return 0;
    u->ten += power * f->ten;
    for (int d = 0; d < PTD_DIMS; d++) u->dim[d] = (int8_t)(u->dim[d] + power * f->dim[d]);
    if (power == 1) u->scale = f->scale;
    if (power == 1) u->percent = f->percent;
    if (f->thing[0]) memcpy(u->thing, f->thing, sizeof u->thing);
    return 1;
}

static int is_glued(const struct ptd_tok *t, int n)
{
    return t->kind == PTD_T_NUM && !t->spaced && t->n == 1 && (*t->s == '2' || *t->s == '3') &&
           t[-1].kind == PTD_T_WORD && (n == 1 || t[1].kind == '/');
}

/* ^2, ^{-1}, squared: the power behind t [n]; *used tokens. */
static int power_at(const struct ptd_tok *t, int n, int *used)
{
    int i = 0, group, minus;
    *used = 1;
    if (n > 0 && (ptd_tok_is(t, "squared") || ptd_tok_is(t, "square"))) return 2;
    if (n > 0 && ptd_tok_is(t, "cubed")) return 3;
    if (n > 0 && is_glued(t, n)) return *t->s - '0'; /* cm2 */
    *used = 0;
    if (n < 2 || t[i].kind != '^') return 1;
    if ((group = t[++i].kind == '{')) i++;
    if ((minus = i < n && t[i].kind == '-')) i++;
    if (i >= n || t[i].kind != PTD_T_NUM || t[i].n != 1 || t[i].s[0] > '6') return 1;
    int power = t[i++].s[0] - '0';
    if (group && (i >= n || t[i++].kind != '}')) return 1;
    *used = i;
    return minus ? -power : power;
}

/* square meters, sq ft, 平方厘米: the power in front; *used tokens or *bytes of the word. */
static int power_before(const struct ptd_tok *t, int *used, size_t *bytes)
{
    static const struct {
        const char *word;
        int power;
    } words[] = {{"square", 2}, {"sq", 2}, {"sq.", 2}, {"cubic", 3}, {"cu", 3}, {NULL, 0}};
    *used = 0;
    *bytes = 0;
    for (int i = 0; words[i].word; i++)
        if (ptd_tok_is(t, words[i].word)) {
            *used = 1;
            return words[i].power;
        }
    if (t->kind == PTD_T_WORD && t->n > 6 && memcmp(t->s, "平方", 6) == 0) return *bytes = 6, 2;
    if (t->kind == PTD_T_WORD && t->n > 6 && memcmp(t->s, "立方", 6) == 0) return *bytes = 6, 3;
    return 1;
}

static int is_micro(const struct ptd_tok *t)
{
    return t->kind == PTD_T_NAME && t->n == 2 && memcmp(t->s, "mu", 2) == 0;
}

static int two_words(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    char both[40];
    if (n < 2 || t[1].kind != PTD_T_WORD || t[0].n + t[1].n + 2u > sizeof both) return 0;
    memcpy(both, t[0].s, t[0].n);
    both[t[0].n] = ' ';
    memcpy(both + t[0].n + 1, t[1].s, t[1].n);
    size_t len = t[0].n + 1u + t[1].n;
    if (t[0].n > 1 && tolower((unsigned char)t[0].s[t[0].n - 1]) == 's' && len < sizeof both) {
        /* degrees Celsius */
        memmove(both + t[0].n - 1, both + t[0].n, len - t[0].n);
        len--;
    }
    for (size_t i = 0; i < len; i++) both[i] = (char)tolower((unsigned char)both[i]);
    return by_word(both, len, u);
}

static int degree_at(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    if (n > 1 && t[1].kind == PTD_T_WORD && t[1].n == 1 && strchr("CF", t[1].s[0]))
        return named(t[1].s[0] == 'C' ? "degC" : "degF", 4, u) ? 2 : 0;
    return named("deg", 3, u) ? 1 : 0;
}

/* 万元, 千元: the unit of what is counted in ten thousands. */
static int chinese_scale(const struct ptd_tok *t, struct ptd_unit *u)
{
    static const struct {
        const char *s;
        int ten;
    } scales[] = {{"百", 2}, {"千", 3}, {"万", 4}, {"亿", 8}, {NULL, 0}};
    for (int i = 0; scales[i].s; i++)
        if (t->n > 3 && memcmp(t->s, scales[i].s, 3) == 0 && named(t->s + 3, t->n - 3u, u))
            return u->ten += scales[i].ten, 1;
    return 0;
}

/* ', '', ": minutes and seconds of arc. */
static int arc_at(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    int two = n > 1 && t->kind != '"' && t[1].kind == t->kind;
    const char *name = two || t->kind == '"' ? "arcsec" : "arcmin";
    return named(name, 6, u) ? 1 + two : 0;
}

/* The one unit at t [n], with no power; tokens used, 0: none. */
static int simple_at(const struct ptd_tok *t, int n, size_t skip, struct ptd_unit *u)
{
    if (t->kind == PTD_T_DEG) return degree_at(t, n, u);
    if (t->kind == PTD_T_PERCENT) return named("%", 1, u);
    if (t->kind == PTD_T_PRIME || t->kind == '\'' || t->kind == '"') return arc_at(t, n, u);
    if (t->kind == PTD_T_MONEY) return named(t->s, t->n, u);
    if (t->kind == PTD_T_NAME && t->n == 5 && memcmp(t->s, "Omega", 5) == 0)
        return named("Omega", 5, u);
    if (is_micro(t) && n > 1 && t[1].kind == PTD_T_WORD && named(t[1].s, t[1].n, u))
        return u->ten -= 6, 2;
    if (t->kind != PTD_T_WORD) return 0;
    if (two_words(t, n, u)) return 2;
    return named(t->s + skip, t->n - skip, u) || chinese_scale(t, u);
}

/* kmh^{-1}, ms^{-2}, Nm^{-1}: two units as one word, of which the second has the power. */
static int pair_at(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    static const char *const second[] = {"kg", "mol", "h", "s", "m", "K", NULL};
    int used;
    if (n < 4 || t->kind != PTD_T_WORD || t->n < 2) return 0;
    int power = power_at(t + 1, n - 1, &used);
    if (power >= 0) return 0;
    for (int i = 0; second[i]; i++) {
        size_t k = strlen(second[i]), first = t->n - k;
        struct ptd_unit f;
        if (t->n <= k || memcmp(t->s + first, second[i], k) != 0) continue;
        if (!by_sign(t->s, first, u) || !by_sign(second[i], k, &f)) continue;
        if (first == 1 && strchr("dhbB", *t->s)) continue; /* dm, hm */
        if (ptd_unit_same(u, &f)) continue;                /* mm */
        return multiply(u, &f, power) ? 1 + used : 0;
    }
    return 0;
}

static int factor_at(const struct ptd_tok *t, int n, struct ptd_unit *u, int *power)
{
    int used, more;
    size_t skip;
    *power = power_before(t, &used, &skip);
    if (used && used >= n) return 0;
    if (used && used + 1 < n && t[used].kind == '.') used++;
    int one = simple_at(t + used, n - used, skip, u), two = pair_at(t, n, u);
    if (two) return *power = 1, two;
    if (!one) return 0;
    used += one;
    *power *= power_at(t + used, n - used, &more);
    return used + more;
}

/* Is t what stands between units? 0 no, 1 times, -1 per. */
static int joint(const struct ptd_tok *t)
{
    if (t->kind == '*' || t->kind == '-') return 1;
    if (t->kind == '/' || ptd_tok_is(t, "per") || ptd_tok_is(t, "每")) return -1;
    return 0;
}

static int product(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    int sign = 1, power, i = 0;
    *u = (struct ptd_unit){.num = 1, .den = 1};
    while (i < n) {
        struct ptd_unit f;
        int used = factor_at(t + i, n - i, &f, &power);
        if (!used || (i && f.dim[PTD_DIM_DATA] && !joint(&t[i - 1]))) return 0; /* mL B */
        if (!multiply(u, &f, sign * power)) return 0;
        i += used;
        if (i == n) return 1;
        int by = joint(&t[i]);
        if (by) {
            sign = by < 0 ? -1 : sign;
            i++;
        }
    }
    return 0;
}

/* ---- things ---- */

/* Words that say more than what is counted, wherever they stand or as the last one. */
static int says_more(const struct ptd_tok *t, int is_last)
{
    static const char *const always[] = {
        "st",      "nd",       "rd",       "th",      "or",      "and",     "not",     "no",
        "is",      "are",      "was",      "to",      "but",     "so",      "wrong",   "plus",
        "minus",   "times",    "over",     "either",  "nor",     "than",    "maybe",   "if",
        "then",    "else",     "cannot",   "be",      "equals",  "divided", "between", "from",
        "isn",     "should",   "versus",   "vs",      "per",     "mod",     "percent", "incorrect",
        "right",   "left",     "thousand", "million", "billion", "dozen",   "hundred", "half",
        "true",    "false",    "by",       "at",      "out",     "under",   "above",   "below",
        "about",   "around",   "without",  "except",  "unless",  "too",     "very",    "possibly",
        "perhaps", "probably", "likely",   "lakh",    "lakhs",   "crore",   "crores",  "factorial",
        "squared", "cubed",    "never",    "could",   "can",     "might",   "may",     "would",
        "were",    "ish",      "will",     "has",     "have",    "does",    "which",   "that",
        "because", "since",    "when",     "或",      "和",      NULL};
    static const char *const last[] = {
        "up",     "much",   "many",    "more",    "less",     "fewer",    "most",  "least",
        "max",    "min",    "maximum", "minimum", "negative", "positive", "small", "large",
        "big",    "bigger", "smaller", "larger",  "greater",  "higher",   "lower", "double",
        "triple", "twice",  "thrice",  "pair",    "pairs",    "couple",   "gross", "tens",
        "square", "cube",   "root",    "power",   "odd",      "even",     "some",  "any",
        "none",   "off",    "false",   NULL};
    for (int i = 0; always[i]; i++)
        if (ptd_tok_is(t, always[i])) return 1;
    for (int i = 0; is_last && last[i]; i++)
        if (ptd_tok_is(t, last[i])) return 1;
    return ptd_numeral_part(t) || ptd_numeral_scale(t);
}

static int ends_in(const struct ptd_tok *t, const char *s)
{
    size_t n = strlen(s);
    return t->n >= n && memcmp(t->s + t->n - n, s, n) == 0;
}

/* 倍, 以上, 多: Chinese words that make it another number, or no certain one. */
static int changes_number(const struct ptd_tok *t)
{
    static const char *const before[] = {"倍", "半", "多",   "几", "余", "成", "折", "打",
                                         "双", "对", "分之", "又", "点", "十", "百", "千",
                                         "万", "亿", "负",   "不", "非", "是", "或", NULL};
    static const char *const behind[] = {"以上", "以下", "以内", "以外", "之一", "左右",
                                         "倍",   "多",   "半",   "错",   "不对", NULL};
    for (int i = 0; before[i]; i++)
        if (t->n >= strlen(before[i]) && memcmp(t->s, before[i], strlen(before[i])) == 0) return 1;
    static const char *const within[] = {"或", "和", "与", "加", "减", "到", "至", NULL};
    for (int i = 0; behind[i]; i++)
        if (ends_in(t, behind[i])) return 1;
    for (int i = 0; (unsigned char)*t->s >= 0xe3 && within[i]; i++)
        if (memmem(t->s, t->n, within[i], 3)) return 1;
    return 0;
}

/* boxes, cherries, apples: of one */
static void singular(char *s, size_t n)
{
    if (n < 4 || s[n - 1] != 's' || s[n - 2] == 's') return;
    s[--n] = '\0';
    if (memcmp(s + n - 2, "ie", 2) == 0)
        strcpy(s + n - 2, "y");
    else if (s[n - 1] == 'e' && (s[n - 2] == 'x' || s[n - 2] == 'h' || s[n - 2] == 's'))
        s[n - 1] = '\0';
}

int ptd_unit_measure(const struct ptd_tok *t)
{
    static const char *const measures[] = {"个", "只", "条", "本", "张", "支", "名", "辆",
                                           "棵", "颗", "块", "位", "台", "件", "头", "匹",
                                           "朵", "根", "把", "座", "人", NULL};
    for (int i = 0; t->kind == PTD_T_WORD && t->n >= 3 && measures[i]; i++)
        if (memcmp(t->s, measures[i], 3) == 0) return 3;
    return 0;
}

static int thing(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    if (n > 4) return 0;
    for (int i = 0; i < n; i++)
        if (t[i].kind != PTD_T_WORD || says_more(&t[i], i == n - 1) || changes_number(&t[i]) ||
            (t[i].n < 2 && !t[i].dress))
            return 0;
    const struct ptd_tok *last = &t[n - 1];
    int measure = n == 1 && !ptd_tok_is(last, "人") ? ptd_unit_measure(last) : 0;
    struct ptd_tok named = {.kind = PTD_T_WORD, .s = last->s + measure, .n = last->n};
    named.n = (uint16_t)(named.n - measure);
    if (named.n && changes_number(&named)) return 0;
    size_t len = (size_t)(last->n - measure);
    if (len >= sizeof u->thing) len = sizeof u->thing - 1;
    *u = (struct ptd_unit){.num = 1, .den = 1, .dim = {[PTD_DIM_THING] = 1}};
    for (size_t i = 0; i < len; i++)
        u->thing[i] = (char)tolower((unsigned char)last->s[measure + (int)i]);
    singular(u->thing, len);
    return 1;
}

/* ---- all of it ---- */

/* cm long, % more, apples in total: without the words that say no unit. */
static int without_words(const struct ptd_tok *t, int n)
{
    static const char *const words[] = {"long",  "wide",          "tall",     "high",  "deep",
                                        "thick", "away",          "apart",    "total", "altogether",
                                        "each",  "increase",      "decrease", "more",  "less",
                                        "off",   "approximately", "approx",   NULL};
    for (int i = 0; n > 1 && words[i];) {
        int here = ptd_tok_is(&t[n - 1], words[i]);
        if (here && n > 2 && ptd_tok_is(&t[n - 2], "in")) n--;
        if (here) n--;
        i = here ? 0 : i + 1;
    }
    return n;
}

/* \frac{km}{h} */
static int fraction(const struct ptd_tok *t, int n, struct ptd_unit *u)
{
    struct ptd_unit below;
    int i = 1;
    while (i < n && t[i].kind != '}') i++;
    if (n < 5 || t[1].kind != '{' || i + 2 >= n || t[i + 1].kind != '{' || t[n - 1].kind != '}')
        return 0;
    return product(t + 2, i - 2, u) && product(t + i + 2, n - i - 3, &below) &&
           multiply(u, &below, -1);
}

int ptd_unit_read(const struct ptd_tok *t, int n, int things, struct ptd_unit *u)
{
    if (n > 2 && t[0].kind == '(' && t[n - 1].kind == ')') t++, n -= 2;
    if (n > 2 && t[0].kind == '{' && t[n - 1].kind == '}') t++, n -= 2;
    if (n <= 0) return 0;
    if (t[0].kind == PTD_T_FRAC) return fraction(t, n, u);
    if (n > 1 && (ptd_tok_is(t, "an") || ptd_tok_is(t, "a"))) t++, n--; /* half an hour */
    if (n > 1 && ptd_tok_is(&t[1], "of") && product(t, 1, u) && u->percent) return 1;
    int k = without_words(t, n);
    return product(t, k, u) || (things && thing(t, k, u));
}

double ptd_unit_size(const struct ptd_unit *u)
{
    return (double)u->num / (double)u->den * pow(10, u->ten);
}

int ptd_unit_same_dimension(const struct ptd_unit *a, const struct ptd_unit *b)
{
    int unnamed = a->dim[PTD_DIM_THING] && (!*a->thing || !*b->thing); /* 2只 */
    return memcmp(a->dim, b->dim, sizeof a->dim) == 0 &&
           (unnamed || strcmp(a->thing, b->thing) == 0) && a->percent == b->percent;
}

int ptd_unit_same(const struct ptd_unit *a, const struct ptd_unit *b)
{
    return ptd_unit_same_dimension(a, b) && a->num == b->num && a->den == b->den &&
           a->ten == b->ten && a->scale == b->scale;
}
