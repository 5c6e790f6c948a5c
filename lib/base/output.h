/* output: what programs print or write with stdio, whole or refused: interrupted and short writes
 * go on, and so do writes to a full pipe that somebody made non-blocking.
 *
 * stdio alone takes each of these for a failure and leaves a hole in the output. */
#ifndef PTD_OUTPUT_H
#define PTD_OUTPUT_H
#include <stdio.h>

/* Gives stdout this patience. Its first failure ends the program (74, with the system's reason;
 * EPIPE as SIGPIPE would), so that nobody needs to ask; what is left in its buffer is written, and
 * the descriptor closed, when the program ends. ptd_opt_parse calls it. */
void ptd_stdout_open(void);
/* Flushes stdout; comes back if all is well. */
void ptd_stdout_flush(void);
/* As fopen(path, "we"), with the same patience; fclose also syncs. Failures are those of fprintf,
 * fflush and fclose. */
FILE *ptd_file_create(const char *path);
FILE *ptd_file_on(int fd); /* the same on a descriptor, which it closes; NULL, with errno, for -1 */
#endif
