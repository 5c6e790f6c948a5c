/* events: event files as TensorBoard reads them: one record a step, whole or not there.
 *
 *     struct ptd_events *e = ptd_events_open("runs/a");    // goes on where one was left
 *     ptd_events_scalar(e, "reward/accuracy", 0.25);       // what a step says
 *     ptd_events_step(e, 7, seconds);                      // 1: written; 0: it is there, the same
 *     ptd_events_close(e);
 *
 * A file is a sequence of TFRecords, little-endian: length u64, masked CRC-32C of the length,
 * bytes, masked CRC-32C of the bytes; masked: rotated right by 15 and 0xa282ead8 added. The bytes
 * are a protocol buffer, tensorflow.Event: wall_time = 1 (double), step = 2, file_version = 3 (in
 * the first record, "brain.Event:2"), summary = 5, session_log = 7. A summary is values = 1, each
 * with tag = 1 and simple_value = 2 (float), image = 4 (height = 1, width = 2, colorspace = 3, PNG
 * = 4) or histo = 5 (min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket
 * = 7; doubles, the last two packed); of a text tensor = 8 (dtype = 1: 7, string_val = 8) and
 * metadata = 9 (plugin_data = 1, its plugin_name = 1: "text"). That is all that is needed of it, so
 * no library and no compiler of protocol buffers is.
 *
 * Nothing is doubled. Opening reads what the files of this program in the folder (events.out.
 * tfevents.SECONDS.HOST.ptd) say, cuts off a record that a killed writer left half, and goes on in
 * the newest. A step that is there with the same bytes is not written again. One that is there with
 * others, or lies before the newest, is of a run that began anew: a session_log START of that step
 * has TensorBoard forget that step and all behind it, and then it is written. (It takes a run's
 * first START for the beginning, and forgets nothing: so there is one of those, too.) One writer a
 * folder (77). */
#ifndef PTD_EVENTS_H
#define PTD_EVENTS_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct ptd_events;
/* Makes the folder, and those above it. NULL: 73 it cannot be made, 65 a damaged record that is not
 * the last one. */
struct ptd_events *ptd_events_open(const char *dir);
/* Newest step in it; INT64_MIN: none. */
int64_t ptd_events_last(const struct ptd_events *e);
void ptd_events_scalar(struct ptd_events *e, const char *tag, double x);
/* Buckets of whole numbers where all x[n] are, and few; else 30 equal ones. n > 0. */
void ptd_events_histogram(struct ptd_events *e, const char *tag, const double *x, size_t n);
void ptd_events_picture(struct ptd_events *e, const char *tag, const void *png, size_t len,
                        int height, int width);
/* Shown as it is, line by line. */
void ptd_events_text(struct ptd_events *e, const char *tag, const char *text);
/* What was said since the last call is step's, at `time` (seconds since 1970). 1, 0 or -1 (74). */
int ptd_events_step(struct ptd_events *e, int64_t step, double time) PTD_MUST_CHECK;
void ptd_events_close(struct ptd_events *e); /* NULL: nothing */
#endif
