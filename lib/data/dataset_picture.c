/* dataset_picture: the pictures that a row brings: paths, base64, data URIs, and objects that hold
 * one of these; and the pixels they hold. What is base64 or may be is never said in a message. */
#include "base/base64.h"
#include "base/below.h"
#include "data/dataset_private.h"
#include "data/image.h"
#include "flow/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (64u << 20) /* of a picture, as of a file */
#define NESTED    4           /* objects in objects */

/* ---- which ---- */

static const char *const fields[] = {"images",    "image",      "image_path", "image_paths",
                                     "image_url", "image_urls", NULL};
static const char *const films[] = {"videos",      "video",     "video_path", "video_paths",
                                    "video_url",   "audios",    "audio",      "audio_path",
                                    "audio_paths", "audio_url", NULL};

/* Nothing: null, "", [], {}, and a list of nulls. */
static int is_nothing(const json_t *v)
{
    size_t i = 0, n = json_array_size(v);
    while (i < n && json_is_null(json_array_get(v, i))) i++;
    return !v || json_is_null(v) || (json_is_array(v) && i == n) ||
           (json_is_object(v) && !json_object_size(v)) ||
           (json_is_string(v) && !json_string_length(v));
}

const json_t *ptd_picture_inner(const json_t *object)
{
    static const char *const keys[] = {"bytes",     "base64", "image", "path",
                                       "image_url", "url",    NULL};
    for (int i = 0; keys[i]; i++) {
        const json_t *v = json_object_get(object, keys[i]);
        if (!is_nothing(v)) return v;
    }
    return NULL;
}

int ptd_brings_picture(const json_t *object)
{
    for (int i = 0; fields[i]; i++)
        if (!is_nothing(json_object_get(object, fields[i]))) return 1;
    return 0;
}

static void give(struct ptd_row *r, const char *key, int item, const json_t *v)
{
    r->given[r->n_given++] = (struct ptd_picture_source){key, item, v};
}

static void give_all(struct ptd_row *r, const char *key, const json_t *v)
{
    size_t n = json_array_size(v);
    if (json_is_string(v) || json_is_object(v))
        give(r, key, 0, v);
    else if (!json_is_array(v))
        r->blind = ptd_row_wrong(r, key, v, "a path or a list of paths, {\"bytes\"} or data URIs");
    else if (n > PTD_DATASET_LIST)
        r->blind = ptd_row_fault(r, PTD_DATAERR, key, "%zu pictures, expected at most %d", n,
                                 PTD_DATASET_LIST);
    else
        for (size_t i = 0; i < n; i++) give(r, key, (int)i + 1, json_array_get(v, i));
}

/* image_1, image_2, ... without a gap. */
static void give_numbered(struct ptd_row *r)
{
    static const char *const keys[] = {"image_0", "image_1", "image_2", "image_3", "image_4",
                                       "image_5", "image_6", "image_7", "image_8", "image_9"};
    for (int i = 0; i < 10 && !r->blind; i++) {
        const json_t *v = json_object_get(r->json, keys[i]);
        if (is_nothing(v)) continue;
        if (r->n_given == i - 1)
            give(r, keys[i], 0, v);
        else
            r->blind = ptd_row_fault(r, PTD_DATAERR, keys[i], "expected \"image_%d\" before it",
                                     r->n_given + 1);
    }
}

void ptd_row_sources(struct ptd_row *r)
{
    for (int i = 0; films[i]; i++) {
        const json_t *v = json_object_get(r->json, films[i]);
        if (is_nothing(v) || json_is_false(v)) continue;
        ptd_row_fault(r, PTD_DATAERR, films[i], "is not read, expected pictures only");
    }
    for (int i = 0; fields[i] && !r->n_given && !r->blind; i++) {
        const json_t *v = json_object_get(r->json, fields[i]);
        if (!is_nothing(v) || json_array_size(v)) give_all(r, fields[i], v);
    }
    if (!r->n_given && !r->blind) give_numbered(r);
}

/* ---- what it holds ---- */

struct found { /* a picture's path or its base64; none: what is wrong */
    const char *path, *base64, *none;
    size_t len; /* of base64 */
};

int ptd_is_base64(const char *s, size_t n)
{
    static const char *const begins[] = {"iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk"};
    size_t i = 0;
    if (n < 64) return 0;
    while (i < 5 && strncmp(s, begins[i], strlen(begins[i])) != 0) i++;
    return i < 5 && (i < 4 || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789+/=") == n);
}

static struct found bytes_in(const char *s, size_t n)
{
    return (struct found){.base64 = s, .len = n};
}

/* data:image/png;base64,iVBORw0K... */
static struct found data_in(const char *s)
{
    static const char how[] = ";base64,";
    const char *comma = strchr(s, ',');
    size_t before = comma ? (size_t)(comma + 1 - s) : 0, n = strlen(how);
    if (before < n + 5 || strncasecmp(comma + 1 - n, how, n) != 0)
        return (struct found){.none = "a data URI without \";base64,\""};
    return bytes_in(comma + 1, strlen(comma + 1));
}

static struct found text_in(const char *s, size_t n)
{
    static const char file[] = "file://";
    if (strncasecmp(s, "data:", 5) == 0) return data_in(s);
    if (ptd_is_base64(s, n)) return bytes_in(s, n);
    if (strncmp(s, file, strlen(file)) == 0) return (struct found){.path = s + strlen(file)};
    if (strstr(s, "://") && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") >= 2 &&
        s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789")] == ':')
        return (struct found){.none = "a web address, expected a file or its bytes"};
    if (n >= 64 && !strchr(s, '.'))
        return (struct found){.none = "a long text, neither a path nor base64 of a picture"};
    return (struct found){.path = s};
}

static struct found find_in(const json_t *v)
{
    const json_t *bytes = NULL;
    for (int i = 0; i < NESTED && json_is_object(v); i++) {
        bytes = json_object_get(v, "bytes");
        v = ptd_picture_inner(v);
    }
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (!v) return (struct found){.none = "holds no \"path\" and no \"bytes\""};
    if (!s) return (struct found){.none = "expected a path, {\"path\"}, {\"bytes\"} or a data URI"};
    if (v == bytes && strncasecmp(s, "data:", 5) != 0) return bytes_in(s, n);
    return text_in(s, n);
}

const char *ptd_picture_path(const struct ptd_picture_source *s)
{
    return find_in(s->value).path;
}

/* Which picture of its field, as messages begin: "item 2: ", or nothing if it is the only one. */
static const char *where(const struct ptd_picture_source *s, char text[32])
{
    *text = 0;
    if (s->item) snprintf(text, 32, "item %d: ", s->item);
    return text;
}

/* ---- pixels ---- */

/* The size that the model sees; pixels are made so only where they are kept. */
static int fit(struct ptd_row *r, struct ptd_image *im, const struct ptd_image_rules *rules,
               struct ptd_picture *p)
{
    p->height = im->height;
    p->width = im->width;
    if (!rules) return ptd_image_ratio(im->height, im->width);
    if (ptd_image_target(im->height, im->width, rules, &p->height, &p->width) < 0) return -1;
    if (!r->report) ptd_image_resize(im, p->height, p->width, rules->resample);
    return 0;
}

static void keep_picture(struct ptd_row *r, const struct ptd_image *im, struct ptd_picture *p)
{
    size_t n = (size_t)im->height * im->width * 3;
    if (r->report) return;
    uint8_t *pixels = ptd_group_alloc(r->g, n);
    memcpy(pixels, im->pixels, n);
    p->pixels = pixels;
    ptd_picture_hash(pixels, p->height, p->width, p->hash);
}

static char *read_file(struct ptd_row *r, const char *key, const char *path, size_t *n)
{
    struct ptd_dataset *d = r->d;
    char *bytes = ptd_below_read(d->folder, d->outside, path, n);
    if (!bytes && d->pictures && ptd_pictures_had(d->pictures, path)) ptd_row_changed(r);
    if (!bytes) return ptd_row_failed(r, key), NULL;
    if (!d->pictures || !ptd_pictures_changed(d->pictures, path, bytes, *n)) return bytes;
    ptd_row_changed(r);
    ptd_row_fault(r, PTD_DATAERR, key, "%.300s: was changed while the data set was read", path);
    free(bytes);
    return NULL;
}

static char *decode(struct ptd_row *r, const struct ptd_picture_source *s, const struct found *f,
                    size_t *n)
{
    char item[32];
    size_t bad;
    if (PTD_BASE64_ROOM(f->len) > BYTES_MAX)
        return ptd_row_fault(r, PTD_DATAERR, s->key,
                             "%s%zu letters of base64, expected at most %u MiB of picture",
                             where(s, item), f->len, BYTES_MAX >> 20),
               NULL;
    char *bytes = ptd_malloc(PTD_BASE64_ROOM(f->len));
    long got = ptd_base64_decode(f->base64, f->len, bytes, &bad);
    *n = got < 0 ? 0 : (size_t)got;
    if (got >= 0) return bytes;
    ptd_row_fault(r, PTD_DATAERR, s->key, "%sletter %zu of %zu is no base64", where(s, item),
                  bad + 1, f->len);
    free(bytes);
    return NULL;
}

/* name: of the picture, in messages. */
static int take_picture(struct ptd_row *r, const char *key, const char *name, const char *bytes,
                        size_t n, const struct ptd_image_rules *rules, struct ptd_picture *p)
{
    struct ptd_image im = {0};
    int bad = ptd_image_decode(&im, bytes, n, name) < 0;
    if (bad)
        ptd_row_fault(r, PTD_DATAERR, key, "%s", ptd_failed_message());
    else if ((bad = fit(r, &im, rules, p) < 0))
        ptd_row_fault(r, PTD_DATAERR, key, "%.300s: %s", name, ptd_failed_message());
    else
        keep_picture(r, &im, p);
    ptd_image_clear(&im);
    return bad ? -1 : 0;
}

static int read_picture(struct ptd_row *r, const struct ptd_picture_source *s,
                        const struct ptd_image_rules *rules, struct ptd_picture *p)
{
    struct found f = find_in(s->value);
    char item[32], name[48];
    size_t n = 0;
    snprintf(name, sizeof name, "%spicture", where(s, item));
    if (f.none) return ptd_row_fault(r, PTD_DATAERR, s->key, "%s%s", where(s, item), f.none);
    char *bytes = f.path ? read_file(r, s->key, f.path, &n) : decode(r, s, &f, &n);
    int rc = bytes ? take_picture(r, s->key, f.path ? f.path : name, bytes, n, rules, p) : -1;
    free(bytes);
    return rc;
}

/* ---- all of them ---- */

static int is_same(const struct ptd_picture_source *a, const struct ptd_picture_source *b)
{
    if (a == b) return 1;
    struct found x = find_in(a->value), y = find_in(b->value);
    if (x.path) return y.path && strcmp(x.path, y.path) == 0;
    return x.base64 && y.base64 && x.len == y.len && memcmp(x.base64, y.base64, x.len) == 0;
}

/* Which of the pictures before i is the same one; -1: none. */
static int same_before(const struct ptd_row *r, int i)
{
    int k = 0;
    while (k < i && !is_same(r->shown[k], r->shown[i])) k++;
    return k < i ? k : -1;
}

/* A record holds each picture as often as it is named. */
static int check_room(struct ptd_row *r, const char *key, const struct ptd_image_rules *rules,
                      long long bytes)
{
    if (!rules || bytes <= (long long)PTD_FRAME_MAX) return 0;
    return ptd_row_fault(r, PTD_DATAERR, key,
                         "%lld bytes of pixels, expected at most %u, which a record may have",
                         bytes, PTD_FRAME_MAX);
}

/* Memory is taken for one picture at a time and for what is kept of those before. */
void ptd_row_pictures(struct ptd_row *r, const struct ptd_image_rules *rules)
{
    struct ptd_picture *all = ptd_group_alloc(r->g, (size_t)(r->n_shown + 1) * sizeof *all);
    long long bytes = 0;
    for (int i = 0; i < r->n_shown; i++) {
        int same = same_before(r, i);
        if (same >= 0)
            all[i] = all[same];
        else
            read_picture(r, r->shown[i], rules, &all[i]);
        bytes += 3ll * all[i].height * all[i].width;
        if (check_room(r, r->shown[i]->key, rules, bytes) < 0) break;
    }
    r->g->pictures = all;
    r->g->n_pictures = r->n_shown;
}
