/* size: a number of bytes as people read it: "812 B", "23.8 MB", "1.25 GB". Three digits, in the
 * largest unit of which there is one; what is below 0 is 0.
 *
 * Amounts that are measured or computed are told in these, powers of ten, everywhere. Limits that
 * are powers of two keep their exact name, "over 64 MiB". */
#ifndef PTD_SIZE_H
#define PTD_SIZE_H

#define PTD_MB 1000000 /* what progress counts */

struct ptd_size {
    char text[24];
};
/* printf("%s", ptd_size(n).text) */
struct ptd_size ptd_size(double bytes);
#endif
