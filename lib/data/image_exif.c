/* image_exif: the one thing that EXIF says which matters here: which side of a picture is up. */
#include <string.h>
#include "data/image_impl.h"

#define ORIENTATION 0x0112
enum { SHORT = 3, LONG = 4, SLONG = 9 };

/* An entry: tag, type, count, value. 0: not the orientation, or not one number. */
static unsigned entry_value(const unsigned char *e, int big)
{
    unsigned type = ptd_bytes_get(e + 2, big, 2);
    if (ptd_bytes_get(e, big, 2) != ORIENTATION || ptd_bytes_get(e + 4, big, 4) != 1) return 0;
    if (type != SHORT && type != LONG && type != SLONG) return 0;
    return ptd_bytes_get(e + 8, big, type == SHORT ? 2 : 4);
}

int ptd_exif_orientation(const unsigned char *tiff, size_t n)
{
    if (n < 8 || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4))) return 1;
    int big = tiff[0] == 'M';
    size_t at = ptd_bytes_get(tiff + 4, big, 4);
    if (at > n - 2) return 1;
    unsigned entries = ptd_bytes_get(tiff + at, big, 2);
    for (at += 2; entries-- && n >= 12 && at <= n - 12; at += 12) {
        unsigned v = entry_value(tiff + at, big);
        if (v) return v <= 8 ? (int)v : 1;
    }
    return 1;
}
