/* size: a number of bytes as people read it: "812 B", "23.8 MiB", "1.25 GiB". Three digits, in the
 * largest unit of which there is one; what is below 0 is 0. */
#ifndef PTD_SIZE_H
#define PTD_SIZE_H

struct ptd_size {
    char text[24];
};
/* printf("%s", ptd_size(n).text) */
struct ptd_size ptd_size(double bytes);
#endif
