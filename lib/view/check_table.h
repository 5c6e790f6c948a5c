/* check_table: what a data set holds and lacks, as a table for people; what ptd-data check prints.
 */
#ifndef PTD_CHECK_TABLE_H
#define PTD_CHECK_TABLE_H
#include "data/dataset_check.h"

/* On stdout; c: as the rows were checked. */
void ptd_show_checked(const char *file, const struct ptd_checked *r, const struct ptd_check *c);
/* The same as one line of JSON. */
void ptd_show_checked_json(const char *file, const struct ptd_checked *r);
#endif
