/* Pictures: decoding against Pillow, turning, resizing to the last bit, patches, and what must be
 * refused. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <png.h>
#include <jpeglib.h>
#include <zlib.h>
#include "data/image_impl.h"
#include "flow/record.h"
#include "vectors/picture-formats.h"
#include "vectors/pictures.h"
#include "vectors/pictures-processed.h"

static uint64_t fnv(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 0xCBF29CE484222325u;
    while (n--) h = (h ^ *p++) * 0x100000001B3u;
    return h;
}

static void noise(const char *name, uint8_t *out, size_t n)
{
    uint64_t h = fnv(name, strlen(name));
    for (size_t i = 0; i < n; i++) {
        uint64_t z = h + i + 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        out[i] = z ^ z >> 31;
    }
}

static struct ptd_image noise_image(const char *name, int height, int width)
{
    struct ptd_image im = {height, width, ptd_array((size_t)height * width, 3)};
    noise(name, im.pixels, (size_t)height * width * 3);
    return im;
}

static unsigned char *read_vector(const char *name, size_t *n)
{
    char path[200];
    snprintf(path, sizeof path, "tests/vectors/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    unsigned char *bytes = ptd_alloc(1 << 16);
    *n = fread(bytes, 1, 1 << 16, f);
    fclose(f);
    return bytes;
}

/* Decodes a copy of exactly n bytes, so that a sanitizer sees the first byte read beyond them. */
static int decode(struct ptd_image *im, const void *bytes, size_t n)
{
    void *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    int bad = ptd_image_decode(im, copy, n, "test picture");
    free(copy);
    return bad;
}

static void assert_refused(const void *bytes, size_t n, const char *why)
{
    struct ptd_image im;
    assert_int_equal(decode(&im, bytes, n), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_null(im.pixels);
    if (!strstr(ptd_failed_message(), why))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), why);
}

static void assert_image(const struct ptd_image *im, int height, int width, uint64_t digest)
{
    assert_int_equal(im->height, height);
    assert_int_equal(im->width, width);
    assert_int_equal(fnv(im->pixels, (size_t)height * width * 3), digest);
}

/* ---- decoding ---- */

static void test_decode_as_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decoded / sizeof *decoded; i++) {
        char path[200];
        struct ptd_image im;
        snprintf(path, sizeof path, "tests/vectors/%s", decoded[i].file);
        if (ptd_image_load(&im, path) < 0) fail_msg("%s", ptd_failed_message());
        assert_image(&im, decoded[i].height, decoded[i].width, decoded[i].digest);
        ptd_image_clear(&im);
    }
}

static void test_formats_as_pillow(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char path[200];
        struct ptd_image im;
        snprintf(path, sizeof path, "tests/vectors/%s", formats[i].file);
        int bad = ptd_image_load(&im, path);
        int same = !bad && im.height == formats[i].height && im.width == formats[i].width &&
                   fnv(im.pixels, (size_t)im.height * im.width * 3) == formats[i].digest;
        if (!same)
            print_error("%s: %s\n", formats[i].file, bad ? ptd_failed_message() : "other pixels");
        wrong += !same;
        ptd_image_clear(&im);
    }
    assert_int_equal(wrong, 0);
}

/* An alpha that is 0 everywhere is taken for none: the pixels are those of one that is 255. */
static void test_alpha_of_nothing(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = read_vector("format-32-bit-masks.bmp", &n);
    struct ptd_image im[3];
    static const unsigned char alpha[] = {0, 255, 1};
    for (int k = 0; k < 3; k++) {
        for (size_t i = 122 + 3; i < n; i += 4) bytes[i] = alpha[k];
        assert_int_equal(decode(&im[k], bytes, n), 0);
    }
    size_t size = (size_t)im[0].width * im[0].height * 3;
    assert_memory_equal(im[0].pixels, im[1].pixels, size);
    assert_true(memcmp(im[0].pixels, im[2].pixels, size) != 0);
    for (int k = 0; k < 3; k++) ptd_image_clear(&im[k]);
    free(bytes);
}

enum { SHORT = 3, LONG = 4, SLONG = 9 };

/* A TIFF block of one directory with one entry: orientation v. */
static size_t tiff(unsigned char *t, int big, int type, int v)
{
    static const unsigned char little[] = "II*\0\x08\0\0\0\x01\0\x12\x01t\0\x01\0\0\0v\0\0\0\0\0\0";
    static const unsigned char large[] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0t\0\0\0\x01\0\0\0\0\0\0\0";
    memcpy(t, big ? large : little, 26);
    t[big ? 13 : 12] = type;
    t[big && type == SHORT ? 19 : big ? 21 : 18] = v;
    return 26;
}

/* baseline.jpg with an EXIF block put after its first marker. */
static size_t jpeg_with_exif(unsigned char *out, int big, int type, int orientation)
{
    size_t n;
    unsigned char *in = read_vector("baseline.jpg", &n), *o = out;
    o = mempcpy(o, in, 2);
    o = mempcpy(o,
                "\xFF\xE1\0\x22"
                "Exif\0\0",
                10);
    o += tiff(o, big, type, orientation);
    o = mempcpy(o, in + 2, n - 2);
    free(in);
    return o - out;
}

static void test_orientation(void **state)
{
    (void)state;
    unsigned char file[4096];
    struct ptd_image im;
    for (int k = 0; k < 48; k++) {
        int o = 1 + k % 8, big = k / 8 % 2, type = k < 16 ? SHORT : k < 32 ? LONG : SLONG;
        assert_int_equal(decode(&im, file, jpeg_with_exif(file, big, type, o)), 0);
        assert_image(&im, turned[o - 1].height, turned[o - 1].width, turned[o - 1].digest);
        ptd_image_clear(&im);
    }
    /* not an orientation */
    assert_int_equal(decode(&im, file, jpeg_with_exif(file, 0, LONG, 9)), 0);
    assert_image(&im, turned[0].height, turned[0].width, turned[0].digest);
    ptd_image_clear(&im);
}

static size_t put_chunk(unsigned char *o, const char *type, const void *data, size_t n)
{
    unsigned char len[4] = {n >> 24, n >> 16, n >> 8, n};
    memcpy(o, len, 4), memcpy(o + 4, type, 4), memcpy(o + 8, data, n);
    uint32_t crc = crc32(0, o + 4, n + 4);
    for (int i = 0; i < 4; i++) o[8 + n + i] = crc >> (24 - 8 * i);
    return n + 12;
}

static void test_orientation_in_png(void **state)
{
    (void)state;
    size_t n;
    unsigned char t[26], *file = read_vector("rgb.png", &n), end[12];
    struct ptd_image im;
    memcpy(end, file + n - 12, 12);
    n += put_chunk(file + n - 12, "eXIf", t, tiff(t, 1, SHORT, 6));
    memcpy(file + n - 12, end, 12);
    assert_int_equal(decode(&im, file, n), 0);
    assert_int_equal(im.height, 21);
    assert_int_equal(im.width, 14);
    ptd_image_clear(&im);
    free(file);
}

static void test_exif_garbage(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (int round = 0; round < 2000; round++) {
        char name[20];
        size_t n = round % 40;
        snprintf(name, sizeof name, "exif%d", round);
        noise(name, bytes, sizeof bytes);
        if (round & 1) memcpy(bytes, "II*\0\x08\0\0\0", 8);
        if (round & 2) memcpy(bytes, "MM\0*\0\0\0\x08", 8);
        if (round & 4) bytes[7] = 0xFF;
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, bytes, n);
        int o = ptd_exif_orientation(copy, n);
        assert_in_range(o, 1, 8);
        free(copy);
    }
}

static void give(png_structp png, png_bytep p, size_t n)
{
    ptd_buf_add(png_get_io_ptr(png), p, n);
}
static void flushed(png_structp png)
{
    (void)png;
}

static void test_interlaced_16_bit_with_alpha(void **state)
{
    (void)state;
    enum { H = 9, W = 13 };
    static uint8_t raw[H][W * 8];
    png_bytep rows[H];
    struct ptd_buf out = {0};
    struct ptd_image im;
    noise("sixteen", raw[0], sizeof raw);
    for (int y = 0; y < H; y++) rows[y] = raw[y];
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, give, flushed);
    png_set_IHDR(png, info, W, H, 16, PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_ADAM7, 0, 0);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(decode(&im, out.data, out.len), 0);
    assert_int_equal(im.height, H);
    assert_int_equal(im.width, W);
    for (int i = 0; i < H * W * 3; i++) {
        const uint8_t *p = raw[0] + i / 3 * 8;
        double share = p[6] / 255.0, want = p[i % 3 * 2] * share + 255 * (1 - share);
        assert_int_equal(im.pixels[i], (int)floor(want + 0.5));
    }
    ptd_image_clear(&im);
    free(out.data);
}

/* ---- what must be refused ---- */

static void test_truncated(void **state)
{
    (void)state;
    static const char *const files[] = {"rgb.png",
                                        "palette.png",
                                        "baseline.jpg",
                                        "progressive.jpg",
                                        "grey.jpg",
                                        "format-ycck.jpg",
                                        "format-lossy.webp",
                                        "format-lossless-alpha.webp",
                                        "format-animated.webp",
                                        "format-p.bmp",
                                        "format-rgba.bmp",
                                        "format-os2.bmp",
                                        "format-rle4.bmp"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t n;
        unsigned char *bytes = read_vector(files[f], &n);
        for (size_t k = 0; k < n; k++) assert_refused(bytes, k, "test picture: ");
        free(bytes);
    }
}

/* A GIF is read as far as its first frame goes: here, all but the two bytes that end the file. */
static void test_truncated_gif(void **state)
{
    (void)state;
    static const char *const files[] = {"format-interlaced.gif", "format-clear.gif"};
    for (int f = 0; f < 2; f++) {
        size_t n;
        struct ptd_image im;
        unsigned char *bytes = read_vector(files[f], &n);
        for (size_t k = 0; k + 2 < n; k++) assert_refused(bytes, k, "test picture: ");
        assert_int_equal(decode(&im, bytes, n - 1), 0);
        ptd_image_clear(&im);
        free(bytes);
    }
}

static void test_flipped_bits(void **state)
{
    (void)state;
    static const char *const files[] = {
        "rgba.png",         "palette.png",      "baseline.jpg",
        "progressive.jpg",  "format-ycck.jpg",  "format-lossy-alpha.webp",
        "format-moved.gif", "format-clear.gif", "format-animated-alpha.webp",
        "format-p.bmp",     "format-565.bmp",   "format-32-bit-masks.bmp",
        "format-rle8.bmp"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t n;
        unsigned char *bytes = read_vector(files[f], &n);
        for (size_t k = 0; k < 8 * n; k++) {
            struct ptd_image im;
            bytes[k / 8] ^= 1 << k % 8;
            if (decode(&im, bytes, n) < 0)
                assert_int_equal(ptd_failed_status(), PTD_DATAERR);
            else if (f < 2 && im.height * im.width != 14 * 21)
                fail_msg("%s: a changed size went unnoticed", files[f]);
            ptd_image_clear(&im);
            bytes[k / 8] ^= 1 << k % 8;
        }
        free(bytes);
    }
}

static void test_bomb(void **state)
{
    (void)state;
    /* 30000 x 30000, 1 bit */
    static const unsigned char ihdr[13] = "\0\0\x75\x30\0\0\x75\x30\x01\0\0\0\0";
    unsigned char file[200] = "\x89PNG\r\n\x1a\n";
    size_t n = 8 + put_chunk(file + 8, "IHDR", ihdr, sizeof ihdr);
    n += put_chunk(file + n, "IDAT", "x", 1);
    assert_refused(file, n, "30000x30000 pixels");
}

/* A JPEG with one scan for each coefficient of each component. */
static unsigned char *many_scans(int components, size_t *n)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr error;
    jpeg_scan_info scans[200] = {{0}};
    unsigned char *out = NULL, row[16 * 3] = {0};
    unsigned long len = 0;
    JSAMPROW rows = row;
    int k = 0;
    c.err = jpeg_std_error(&error);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &len);
    c.image_width = c.image_height = 16;
    c.input_components = components;
    c.in_color_space = components == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    for (int i = 0; i < components; i++) {
        scans[k++] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {i}};
        for (int s = 1; s < 64; s++)
            scans[k++] =
                (jpeg_scan_info){.comps_in_scan = 1, .component_index = {i}, .Ss = s, .Se = s};
    }
    c.scan_info = scans, c.num_scans = k;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < 16; y++) jpeg_write_scanlines(&c, &rows, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    *n = len;
    return out;
}

static void test_scans(void **state)
{
    (void)state;
    size_t n;
    struct ptd_image im;
    unsigned char *bytes = many_scans(1, &n); /* 64 */
    assert_int_equal(decode(&im, bytes, n), 0);
    ptd_image_clear(&im);
    free(bytes);
    bytes = many_scans(3, &n); /* 192 */
    assert_refused(bytes, n, "over 100 scans");
    free(bytes);
}

/* ---- files ---- */

static char folder[] = "/tmp/ptd-test-image-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void path_in(char *path, const char *name)
{
    snprintf(path, 300, "%s/%s", folder, name);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_no_load(const char *path, int status, const char *why)
{
    struct ptd_image im;
    assert_int_equal(ptd_image_load(&im, path), -1);
    assert_int_equal(ptd_failed_status(), status);
    if (!strstr(ptd_failed_message(), why))
        fail_msg("\"%s\" lacks \"%s\"", ptd_failed_message(), why);
    assert_non_null(strstr(ptd_failed_message(), path));
}

static void test_bad_files(void **state)
{
    (void)state;
    char path[300];
    path_in(path, "missing");
    assert_no_load(path, PTD_NOINPUT, "No such file");
    assert_no_load(folder, PTD_NOINPUT, "not a regular file");
    path_in(path, "empty");
    write_text(path, "");
    assert_no_load(path, PTD_DATAERR, "empty file");
    write_text(path, "What is in the picture?\n");
    assert_no_load(path, PTD_DATAERR, "neither PNG, JPEG, WebP, GIF nor BMP");
    assert_int_equal(truncate(path, (64l << 20) + 1), 0);
    assert_no_load(path, PTD_DATAERR, "over 64 MiB");
    unlink(path);
    path_in(path, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_no_load(path, PTD_NOINPUT, "not a regular file");
    unlink(path);
}

static void test_save(void **state)
{
    (void)state;
    char path[300];
    struct ptd_image im = noise_image("save", 31, 17), back;
    path_in(path, "picture.png");
    assert_int_equal(ptd_image_save_png(&im, path), 0);
    assert_int_equal(ptd_image_save_png(&im, path), 0); /* replaces */
    assert_int_equal(ptd_image_load(&back, path), 0);
    assert_image(&back, 31, 17, fnv(im.pixels, 31 * 17 * 3));
    ptd_image_clear(&back);
    unlink(path); /* remove_folder fails if a temporary file stayed */
    path_in(path, "no-such-folder/picture.png");
    assert_int_equal(ptd_image_save_png(&im, path), -1);
    assert_int_equal(ptd_failed_status(), PTD_CANTCREAT);
    ptd_image_clear(&im);
}

/* ---- sizes ---- */

static void test_target(void **state)
{
    (void)state;
    static const int want[][4] = {
        {480, 640, 480, 640},     {1080, 1920, 1088, 1920}, {333, 500, 320, 512},
        {80, 80, 256, 256},       {112, 336, 160, 448},     {48, 700, 96, 992},
        {10, 1500, 32, 3136},     {2000, 10, 3648, 32},     {4100, 4100, 4096, 4096},
        {5000, 8000, 3232, 5152}, {1, 200, 32, 3648}};
    const struct ptd_image_rules r = {
        .patch = 16, .merge = 2, .temporal = 2, .min_pixels = 65536, .max_pixels = 16777216};
    int h, w;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(ptd_image_target(want[i][0], want[i][1], &r, &h, &w), 0);
        assert_int_equal(h, want[i][2]);
        assert_int_equal(w, want[i][3]);
    }
    assert_int_equal(ptd_image_target(1, 201, &r, &h, &w), -1);
    assert_int_equal(ptd_failed_status(), PTD_DATAERR);
    assert_int_equal(ptd_image_target(0, 5, &r, &h, &w), -1);
}

static void test_target_half_even(void **state)
{
    (void)state;
    const struct ptd_image_rules r = {
        .patch = 16, .merge = 2, .temporal = 2, .min_pixels = 1024, .max_pixels = 16777216};
    static const int want[][2] = {{80, 64}, {48, 64}, {112, 128}, {33, 32}, {16, 32}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int h, w;
        assert_int_equal(ptd_image_target(want[i][0], 64, &r, &h, &w), 0);
        assert_int_equal(h, want[i][1]);
    }
}

static void test_resize_as_pillow(void **state)
{
    (void)state;
    static const uint8_t *const bytes[] = {resized_0, resized_1, resized_2};
    for (size_t i = 0; i < sizeof resized / sizeof *resized; i++) {
        struct ptd_image im = noise_image("resize", resized[i].h, resized[i].w);
        ptd_image_resize(&im, resized[i].to_h, resized[i].to_w, PTD_PILLOW);
        if (i < 3) assert_memory_equal(im.pixels, bytes[i], (size_t)im.height * im.width * 3);
        assert_image(&im, resized[i].to_h, resized[i].to_w, resized[i].digest);
        ptd_image_clear(&im);
    }
}

static void test_resize_as_torchvision(void **state)
{
    (void)state;
    int differ = 0, n = sizeof resized_by_torchvision / sizeof *resized_by_torchvision;
    for (int i = 0; i < n; i++) {
        struct ptd_image im = noise_image("resize", resized_by_torchvision[i].h,
                                          resized_by_torchvision[i].w),
                         other;
        int h = resized_by_torchvision[i].to_h, w = resized_by_torchvision[i].to_w;
        other = noise_image("resize", im.height, im.width);
        ptd_image_resize(&im, h, w, PTD_TORCHVISION);
        ptd_image_resize(&other, h, w, PTD_PILLOW);
        assert_int_equal(crc32(0, im.pixels, h * w * 3), resized_by_torchvision[i].crc);
        differ += memcmp(im.pixels, other.pixels, (size_t)h * w * 3) != 0;
        ptd_image_clear(&im);
        ptd_image_clear(&other);
    }
    assert_true(differ > n / 2);
}

static void test_resize_to_itself(void **state)
{
    (void)state;
    struct ptd_image im = noise_image("same", 12, 7);
    const uint8_t *before = im.pixels;
    uint64_t digest = fnv(im.pixels, 12 * 7 * 3);
    ptd_image_resize(&im, 12, 7, PTD_PILLOW);
    assert_ptr_equal(im.pixels, before);
    assert_image(&im, 12, 7, digest);
    ptd_image_clear(&im);
}

/* ---- patches ---- */

static const struct ptd_image_rules tiny_rules = {.patch = 4,
                                                  .merge = 2,
                                                  .temporal = 2,
                                                  .min_pixels = 64,
                                                  .max_pixels = 65536,
                                                  .mean = {0.5f, 0.5f, 0.5f},
                                                  .std = {0.5f, 0.5f, 0.5f}};

/* Noise in the order channel, y, x, as the parity model counts it. */
static struct ptd_image planar_noise(const char *name, int height, int width)
{
    struct ptd_image planes = noise_image(name, height, width),
                     im = noise_image(name, height, width);
    int n = height * width;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < n; i++) im.pixels[i * 3 + c] = planes.pixels[c * n + i];
    ptd_image_clear(&planes);
    return im;
}

static void test_patches_of_parity_model(void **state)
{
    (void)state;
    static float rows[36 * 96];
    static const float row5[] = {0.20784314f, 0.568627477f, -0.0901960805f, 0.654901981f};
    struct ptd_image a = planar_noise("image0", 16, 24), b = planar_noise("image1", 24, 8);
    assert_int_equal(ptd_image_patches(a.pixels, 16, 24, &tiny_rules, rows), 24);
    assert_int_equal(ptd_image_patches(b.pixels, 24, 8, &tiny_rules, rows + 24 * 96), 12);
    for (int i = 0; i < 4; i++) assert_float_equal(rows[5 * 96 + i], row5[i], 1e-7);
    double sum = 0;
    for (int i = 0; i < 36 * 96; i++) sum += fabs(rows[i]);
    assert_float_equal(sum, 1804.12553, 1e-5);
    ptd_image_clear(&a);
    ptd_image_clear(&b);
}

/* Each pixel says where it is: the order of rows and of values inside a row. */
static void test_patch_order(void **state)
{
    (void)state;
    static const int first[8][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}};
    enum { H = 8, W = 16 };
    uint8_t pixels[H][W][3];
    float rows[8][96];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) pixels[y][x][c] = y * 16 + x + c * 50;
    assert_int_equal(ptd_image_patches(pixels[0][0], H, W, &tiny_rules, rows[0]), 8);
    for (int n = 0; n < 8; n++)
        for (int k = 0; k < 96; k++) {
            int c = k / 32, y = first[n][0] * 4 + k % 16 / 4, x = first[n][1] * 4 + k % 4;
            uint8_t p = y * 16 + x + c * 50;
            assert_float_equal(rows[n][k], (p - 127.5f) / 127.5f, 0);
        }
}

/* ---- all of it, as the image processors of transformers do it ---- */

static struct ptd_image_rules qwen_rules(const char *type)
{
    static const char json[] =
        "{\"size\":{\"longest_edge\":16777216,\"shortest_edge\":65536},\"patch_size\":"
        "16,\"temporal_patch_size\":2,\"merge_size\":2,"
        "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5],\"processor_class\":"
        "\"Qwen3VLProcessor\",%s}";
    struct ptd_image_rules r;
    char text[500];
    snprintf(text, sizeof text, json, type);
    if (ptd_image_rules_parse(&r, text) < 0) fail_msg("%s", ptd_failed_message());
    return r;
}

/* One picture's rows behind those already there; pixels as the model wants them. */
static int add_rows(struct ptd_image *im, const struct ptd_image_rules *r, float **rows, int n,
                    const struct processed *want)
{
    int h, w;
    assert_int_equal(ptd_image_target(im->height, im->width, r, &h, &w), 0);
    if (want->file && !n)
        assert_int_equal(h, want->grid_h * 16), assert_int_equal(w, want->grid_w * 16);
    ptd_image_resize(im, h, w, r->resample);
    *rows = ptd_realloc(*rows, (n + (size_t)h * w / 256) * 1536 * sizeof **rows);
    n += ptd_image_patches(im->pixels, h, w, r, *rows + (size_t)n * 1536);
    ptd_image_clear(im);
    return n;
}

static uint32_t crc_of_levels(const float *rows, size_t n)
{
    uint8_t *levels = malloc(n);
    for (size_t i = 0; i < n; i++) levels[i] = lrintf(rows[i] * 127.5f + 127.5f);
    uint32_t crc = crc32_z(0, levels, n);
    free(levels);
    return crc;
}

static double sum_of(const float *rows, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += rows[i];
    return sum;
}

static void assert_rows(const float *rows, int n_rows, const struct processed *want,
                        enum ptd_resample how)
{
    size_t n = (size_t)n_rows * 1536;
    assert_int_equal(n_rows, want->rows);
    if (how == PTD_TORCHVISION) { /* every bit */
        assert_int_equal(crc32_z(0, (const void *)rows, n * sizeof *rows), want->fast);
        assert_float_equal(sum_of(rows, n), want->fast_sum, 1e-6);
        return;
    }
    assert_int_equal(crc_of_levels(rows, n),
                     want->slow); /* every byte; that processor normalises in another order */
    assert_float_equal(sum_of(rows, n), want->slow_sum, 6e-8 * n);
    for (size_t k = 1; k <= 8; k++)
        assert_float_equal(rows[(7919 * k * k + 31 * k) % n], want->picks[k - 1], 1.2e-7);
}

static struct ptd_image picture_of(const struct processed *p)
{
    char path[200];
    struct ptd_image im;
    if (!*p->file) return noise_image("processed", p->height, p->width);
    snprintf(path, sizeof path, "tests/vectors/%s", p->file);
    if (ptd_image_load(&im, path) < 0) fail_msg("%s", ptd_failed_message());
    assert_int_equal(im.height, p->height);
    assert_int_equal(im.width, p->width);
    return im;
}

static void test_processed_as_transformers(void **state)
{
    (void)state;
    static const char *const type[] = {
        "\"image_processor_type\":\"Qwen2VLImageProcessorFast\"",
        "\"image_processor_type\":\"Qwen2VLImageProcessorPil\",\"ptd_resample\":\"pillow-13\""};
    for (int how = PTD_TORCHVISION; how <= PTD_PILLOW_13; how++) {
        struct ptd_image_rules r = qwen_rules(type[how - PTD_TORCHVISION]);
        assert_int_equal(r.resample, how);
        for (size_t i = 0; i < sizeof processed / sizeof *processed; i++) {
            struct ptd_image im = picture_of(&processed[i]);
            float *rows = NULL;
            int n = add_rows(&im, &r, &rows, 0, &processed[i]);
            assert_rows(rows, n, &processed[i], how);
            free(rows);
        }
    }
}

static void test_several_as_transformers(void **state)
{
    (void)state;
    for (int how = PTD_TORCHVISION; how <= PTD_PILLOW_13; how++) {
        struct ptd_image_rules r =
            qwen_rules(how == PTD_TORCHVISION ? "\"ptd_resample\":\"torchvision\""
                                              : "\"ptd_resample\":\"pillow-13\"");
        float *rows = NULL;
        int n = 0;
        for (size_t i = 0; i < sizeof several / sizeof *several; i++) {
            struct ptd_image im = noise_image("processed", several[i][0], several[i][1]);
            n = add_rows(&im, &r, &rows, n, &together);
        }
        assert_rows(rows, n, &together, how);
        free(rows);
    }
}

static void test_whose_resampling(void **state)
{
    (void)state;
    static const char *const names[] = {"\"x\":1", "\"image_processor_type\":null",
                                        "\"image_processor_type\":\"Qwen2VLImageProcessor\"",
                                        "\"image_processor_type\":\"Qwen2VLImageProcessorFast\"",
                                        "\"image_processor_type\":\"Qwen2VLImageProcessorPil\""};
    for (int i = 0; i < 5; i++) assert_int_equal(qwen_rules(names[i]).resample, PTD_TORCHVISION);
    assert_int_equal(
        qwen_rules(
            "\"image_processor_type\":\"Qwen2VLImageProcessorFast\",\"ptd_resample\":\"pillow\"")
            .resample,
        PTD_PILLOW);
    struct ptd_image_rules r;
    assert_int_equal(
        ptd_image_rules_parse(
            &r, "{\"size\":{\"longest_edge\":16777216,\"shortest_edge\":65536},\"patch_size\":16,"
                "\"temporal_patch_size\":2,\"merge_size\":2,\"image_mean\":[0,0,0],\"image_std\":["
                "1,1,1],"
                "\"ptd_resample\":\"bilinear\"}"),
        -1);
    assert_non_null(strstr(ptd_failed_message(), "\"ptd_resample\": found \"bilinear\", expected "
                                                 "\"pillow\", \"pillow-13\" or \"torchvision\""));
}

static void test_hash(void **state)
{
    (void)state;
    struct ptd_image im = noise_image("hash", 6, 4);
    char a[17], b[17];
    ptd_picture_hash(im.pixels, 6, 4, a);
    ptd_picture_hash(im.pixels, 6, 4, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 16);
    ptd_picture_hash(im.pixels, 4, 6, b);
    assert_string_not_equal(a, b);
    im.pixels[5 * 4 * 3] ^= 1;
    ptd_picture_hash(im.pixels, 6, 4, b);
    assert_string_not_equal(a, b);
    ptd_image_clear(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_as_pillow),
        cmocka_unit_test(test_formats_as_pillow),
        cmocka_unit_test(test_alpha_of_nothing),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_orientation_in_png),
        cmocka_unit_test(test_exif_garbage),
        cmocka_unit_test(test_interlaced_16_bit_with_alpha),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_truncated_gif),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_target),
        cmocka_unit_test(test_target_half_even),
        cmocka_unit_test(test_resize_as_pillow),
        cmocka_unit_test(test_resize_as_torchvision),
        cmocka_unit_test(test_resize_to_itself),
        cmocka_unit_test(test_patches_of_parity_model),
        cmocka_unit_test(test_patch_order),
        cmocka_unit_test(test_processed_as_transformers),
        cmocka_unit_test(test_several_as_transformers),
        cmocka_unit_test(test_whose_resampling),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
