/* mpirun: Open MPI's launcher, with what is odd about it hidden:
 *
 *     as root it refuses             it is allowed to
 *     binds ranks to a core each     does not
 *     on SIGTERM status 1, and its   asked to stop, it passes SIGUSR1 on, which all ranks heed
 *     ranks are killed
 *     says more than one line        ranks' lines are marked (PTD_RUN_MARK); of its own words one
 *                                    line is made where no rank said why it ended: 69
 *     where standard output cannot   what ranks print goes through here: 74, or SIGPIPE's end where
 *     be written it ends well        the reader has left
 *
 *     int status = ptd_mpirun(&(struct ptd_mpirun){.ranks = 4}, command); // of the first that
 * failed
 */
#ifndef PTD_MPIRUN_H
#define PTD_MPIRUN_H
#include "base/err.h"

#define PTD_RUN_OUTER "PTD_RUN_OUTER" /* in the environment of ranks: their lines are marked */
#define PTD_RUN_MARK  '\035'          /* before a line of a rank's programs */

struct ptd_mpirun {
    const char *program, *hosts; /* "mpirun"; NULL: this machine */
    const char *const *exported; /* names of variables that ranks elsewhere need, NULL ends */
    int ranks;
};
/* command: NULL ends. Ends the program where mpirun cannot be started (69). */
int ptd_mpirun(const struct ptd_mpirun *m, char *const *command);
#endif
