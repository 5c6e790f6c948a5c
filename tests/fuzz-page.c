/* Fuzzing entry: any bytes as the title of a page and as a group of its stream. Whatever is shown
 * of it stands there as data: the page's own text is as it was, each element holds JSON or base64,
 * and no '<' opens anything between. Built by `make fuzz` for libFuzzer; the same file serves
 * AFL++. */
#include "base/base64.h"
#include "flow/record.h"
#include "flow/stream.h"
#include "view/page.h"
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

extern const char ptd_file_page[], ptd_file_page_end[];
static const char title_mark[] = "<!--title-->", data_mark[] = "<!--data-->";
static const char opens[] = "<script type=\"application/json\" data-is=\"",
                  closes[] = "</script>\n";

/* ---- the page ---- */

static int stream_of(const uint8_t *data, size_t n)
{
    struct ptd_head h = {.version = PTD_STREAM_VERSION, .data = "", .mode = "train"};
    struct ptd_buf head = {0};
    int fd = memfd_create("fuzz", 0);
    struct ptd_writer *w = ptd_writer_open(dup(fd), "fuzz");
    ptd_head_encode(&h, &head);
    if (ptd_writer_put(w, PTD_HEAD, head.data, head.len) < 0 ||
        ptd_writer_put(w, PTD_GROUP, data, n) < 0 || ptd_writer_step(w, 1) < 0 ||
        ptd_writer_end(w) < 0 || ptd_writer_close(w) < 0)
        abort();
    free(head.data);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static char *page_of(const uint8_t *data, size_t n, size_t *len)
{
    static char *text; /* gcc takes it for one of the frame that has gone */
    char *title = ptd_format("%.*s", (int)n, (const char *)data);
    FILE *out = open_memstream(&text, len);
    struct ptd_page *p = ptd_page_open(out, title);
    int said = dup(2), nowhere = open("/dev/null", O_WRONLY); /* that tokens have no names */
    dup2(nowhere, 2);
    if (ptd_page_stream(p, stream_of(data, n), title, 0) < 0 && ptd_failed_status() != PTD_DATAERR)
        abort();
    dup2(said, 2);
    close(said);
    close(nowhere);
    ptd_page_close(p);
    fclose(out);
    free(title);
    return text;
}

/* ---- what stands in it ---- */

static void expect_json(const char *text, size_t n)
{
    json_t *o = json_loadb(text, n, 0, NULL);
    if (!json_is_object(o)) abort();
    json_decref(o);
}

static void expect_detail(const char *text, size_t n)
{
    size_t room = 1 << 24;
    char *packed = malloc(PTD_BASE64_ROOM(n)), *plain = malloc(room);
    long got = ptd_base64_decode(text, n, packed, NULL);
    if (got < 0) abort();
    z_stream z = {.next_in = (Bytef *)packed,
                  .avail_in = (uInt)got,
                  .next_out = (Bytef *)plain,
                  .avail_out = (uInt)room};
    if (inflateInit2(&z, -15) != Z_OK || inflate(&z, Z_FINISH) != Z_STREAM_END) abort();
    expect_json(plain, z.total_out);
    inflateEnd(&z);
    free(packed);
    free(plain);
}

/* An element at `at`; what is behind it. */
static const char *element(const char *at, const char *end)
{
    const char *kind = at + strlen(opens), *body = memchr(at, '>', (size_t)(end - at)) + 1,
               *close = memchr(body, '<', (size_t)(end - body));
    if (!close || memcmp(close, closes, strlen(closes)) != 0) abort();
    if (!strncmp(kind, "detail\"", 7))
        expect_detail(body, (size_t)(close - body));
    else if (strncmp(kind, "picture\"", 8))
        expect_json(body, (size_t)(close - body));
    return close + strlen(closes);
}

/* `at` begins with the n bytes of `text`; what is behind them. */
static const char *expect(const char *at, const char *text, size_t n)
{
    if (memcmp(at, text, n) != 0) abort();
    return at + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t len, whole = (size_t)(ptd_file_page_end - ptd_file_page);
    char *page = page_of(data, n, &len);
    const char *end = page + len,
               *title = memmem(ptd_file_page, whole, title_mark, strlen(title_mark)),
               *place = memmem(ptd_file_page, whole, data_mark, strlen(data_mark));
    const char *at = expect(page, ptd_file_page, (size_t)(title - ptd_file_page));
    title += strlen(title_mark);
    at = expect(memchr(at, '<', (size_t)(end - at)), title, (size_t)(place - title));
    while (!strncmp(at, opens, strlen(opens))) at = element(at, end);
    place += strlen(data_mark);
    if (expect(at, place, (size_t)(ptd_file_page_end - place)) != end) abort();
    free(page);
    return 0;
}
