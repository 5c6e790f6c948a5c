/* dataset_blind: pictures that a row means and does not bring: fields that name one but are not
 * read, and marks in its text that are none of ours. Such a row would be trained blind. */
#include "data/dataset_private.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- fields ---- */

/* Fields that say nothing but what a picture is, in small letters without "_", "-", and digits at
 * their end. */
static const char *const picture_keys[] = {
    "image",      "images",     "imagepath", "imagepaths",    "imageurl",    "imageurls",
    "imagefile",  "imagefiles", "imagename", "imagefilename", "imagebase64", "imageb64",
    "imagebytes", "imagedata",  "imagesrc",  "imageid",       "imagelist",   "img",
    "imgs",       "imgpath",    "imgpaths",  "imgurl",        "imgfile",     "imgname",
    "imgbase64",  "imgb64",     "imgid",     "imgsrc",        "pixelvalues", "bytes",
};
static const char *const film_keys[] = {"video", "videos", "videopath", "videourl", "videofile",
                                        "audio", "audios", "audiopath", "audiourl", "audiofile"};
static const char film[] = "a video or a sound";
/* Fields whose value is what a rule compares, or the row's name, whatever it looks like. */
static const char *const other_keys[] = {"id", "uid", "groundtruth", "gold", "label"};
static const char *const picture_ends[] = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif",
                                           ".bmp", ".tif", ".tiff", ".svg",  ".avif", ".heic"};
static const char *const film_ends[] = {".mp4", ".avi", ".mov",  ".webm",
                                        ".mkv", ".wav", ".flac", ".mp3"};
/* base64 of files that are no picture which can be read, but are pictures */
static const char *const picture_begins[] = {"SUkqA", "TU0AK", "PHN2Zy"};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void plain_key(const char *key, char plain[24])
{
    size_t n = 0;
    for (; *key && n < 23; key++)
        if (isalnum((unsigned char)*key)) plain[n++] = (char)tolower((unsigned char)*key);
    while (n > 1 && isdigit((unsigned char)plain[n - 1]) && strncmp(plain + n - 2, "64", 2)) n--;
    plain[n] = 0;
}

static int is_key_of(const char *key, const char *const *list, size_t n)
{
    char plain[24];
    size_t i = 0;
    plain_key(key, plain);
    while (i < n && strcmp(plain, list[i]) != 0) i++;
    return i < n;
}

/* Does the name of a file, or an address, end in one of these? Text of several words is no name,
 * unless it has a folder. */
static int ends_in(const char *s, const char *const *ends, size_t n)
{
    size_t len = strstr(s, "://") ? strcspn(s, "?#") : strlen(s);
    if (strpbrk(s, "\n\r") || (strchr(s, ' ') && !strchr(s, '/'))) return 0;
    for (size_t i = 0; i < n; i++) {
        size_t end = strlen(ends[i]);
        if (len > end && strncasecmp(s + len - end, ends[i], end) == 0) return 1;
    }
    return 0;
}

static int is_picture_text(const char *s)
{
    size_t n = strlen(s);
    if (strncasecmp(s, "data:image/", 11) == 0 || ptd_is_base64(s, n)) return 1;
    for (size_t i = 0; i < COUNT(picture_begins); i++)
        if (n >= 64 && strncmp(s, picture_begins[i], strlen(picture_begins[i])) == 0 &&
            !strpbrk(s, " ."))
            return 1;
    return ends_in(s, picture_ends, COUNT(picture_ends));
}

/* Nothing but null, false, numbers below 0, and texts without a letter. */
static int says_nothing(const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i = 0, n = json_array_size(v);
    if (json_is_string(v)) return ptd_blank_text(json_string_value(v));
    if (json_is_number(v)) return json_number_value(v) < 0;
    while (i < n && says_nothing(json_array_get(v, i))) i++;
    if (json_is_object(v))
        json_object_foreach ((json_t *)v, key, item)
            if (!says_nothing(item)) return 0;
    return i == n && !json_is_true(v);
}

struct seen { /* what a field names, and which field it is: "multi_modal_data.image" */
    const char *what;
    char path[64];
};

/* A flag or a count under such a key is about pictures, but none; the number of one is one. */
static int means(const char *key, const json_t *v, const char *const *keys, size_t n)
{
    char plain[24];
    if (!is_key_of(key, keys, n) || says_nothing(v)) return 0;
    plain_key(key, plain);
    if (json_is_number(v)) return strstr(plain, "id") && !strstr(plain, "video");
    return !json_is_boolean(v);
}

static const char *text_names(const char *s)
{
    return is_picture_text(s) ? "a picture" : ends_in(s, film_ends, COUNT(film_ends)) ? film : NULL;
}

static int look(const json_t *v, struct seen *s);

static int look_under(const char *key, const json_t *v, struct seen *s)
{
    size_t n = strlen(s->path);
    if (is_key_of(key, other_keys, COUNT(other_keys)) || strstr(key, "answer")) return 0;
    snprintf(s->path + n, sizeof s->path - n, "%s%s", n ? "." : "", key);
    if (means(key, v, picture_keys, COUNT(picture_keys))) s->what = "a picture";
    if (!s->what && means(key, v, film_keys, COUNT(film_keys))) s->what = film;
    if (s->what || look(v, s)) return 1;
    s->path[n] = 0;
    return 0;
}

/* 1: *s is the first in v that names one. */
static int look(const json_t *v, struct seen *s)
{
    const char *key;
    json_t *item;
    if (json_is_string(v)) return (s->what = text_names(json_string_value(v))) != NULL;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (look(json_array_get(v, i), s)) return 1;
    if (json_is_object(v))
        json_object_foreach ((json_t *)v, key, item)
            if (look_under(key, item, s)) return 1;
    return 0;
}

static void refuse_fields(struct ptd_row *r)
{
    const char *key;
    json_t *v;
    json_object_foreach (r->json, key, v) {
        struct seen s = {0};
        if (strcmp(key, r->prompt_key) == 0 || !look_under(key, v, &s)) continue;
        ptd_row_fault(r, PTD_DATAERR, "images",
                      "missing, but field \"%.60s\" names %s, expected pictures here", s.path,
                      s.what);
    }
}

/* ---- marks ---- */

#define PLACE "(?:[ _:-]?(?:\\d{1,6}|here|placeholder|token|pad|patch|soft_token))?"
/* What stands for a picture in the texts of others; a picture's token is fit.h's to refuse. About:
 * a text that says this is one about such marks, which may show one. In code, in backquotes, and in
 * quotes a mark is only spoken of. */
static const struct {
    const char *pattern, *about;
} marks[] = {
    {"(?!<\\|image_pad\\|>)<\\|?(?:start_of_)?(?:images?|imgs?|pictures?|photos?)" PLACE
     " ?/?\\|?>",
     "html"},
    {"<im_patch>|<\\|(?:video|audio)" PLACE "\\|>|(?<![\\w\\])])\\[(?:video|audio)" PLACE "\\]",
     NULL},
    {"<(?:img|image)\\s[^<>]{0,200}?\\b(?:src|href)\\s*+=.?+", "html"},
    {"(?<![\\w\\])])\\[(?:images?|img|pictures?|photo)" PLACE "\\]", "bbcode"},
    {"(?<![\\w\\])])!\\[[^\\]\\n]{0,200}\\]\\(", "markdown"},
    {"\\\\includegraphics\\s*[\\[{]", "latex"},
    {"\\bdata:image/[a-z+.-]{1,20};base64,", NULL},
};

static pcre2_code *codes[COUNT(marks)];

static void compile(void)
{
    for (size_t i = 0; i < COUNT(marks); i++) {
        int why;
        size_t at;
        char *pattern =
            ptd_format("```.*?```(*SKIP)(*F)|`[^`\\n]*`(*SKIP)(*F)|(?<![\"'\xe2\x80\x9c]|tag "
                       "|element )(?:%s)(?![\"'\xe2\x80\x9d]| tags?\\b| elements?\\b)",
                       marks[i].pattern);
        codes[i] = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                 PCRE2_UTF | PCRE2_CASELESS | PCRE2_DOTALL, &why, &at, NULL);
        free(pattern);
        if (!codes[i]) ptd_die(PTD_OSERR, "mark %zu: error %d at %zu", i, why, at);
    }
}

/* The first mark of row i of the table in s; *len 0: none. */
static const char *find_mark(size_t i, const char *s, size_t *len)
{
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    const size_t *span = pcre2_get_ovector_pointer(found);
    int n = pcre2_match(codes[i], (PCRE2_SPTR)s, strlen(s), 0, PCRE2_NO_UTF_CHECK, found, NULL);
    const char *at = n < 0 ? s : s + span[0];
    *len = n < 0 ? 0 : span[1] - span[0];
    pcre2_match_data_free(found);
    return at;
}

static void refuse_marks(struct ptd_row *r, const char *text)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, compile);
    for (size_t i = 0; i < COUNT(marks); i++) {
        size_t len;
        const char *at = find_mark(i, text, &len);
        if (!len || (marks[i].about && strcasestr(text, marks[i].about))) continue;
        ptd_row_fault(r, PTD_DATAERR, r->prompt_key,
                      "asks for what the row does not bring, by %.*s", len < 40 ? (int)len : 40,
                      at);
        return;
    }
}

void ptd_row_blind(struct ptd_row *r)
{
    const struct ptd_group *g = r->g;
    if (r->n_shown || r->n_given || r->blind) return;
    refuse_fields(r);
    if (!g->question) return;
    for (int i = 0; i < g->n_turns; i++)
        if (strcmp(g->turns[i].role, "user") == 0) refuse_marks(r, g->turns[i].text);
    refuse_marks(r, g->question);
}
