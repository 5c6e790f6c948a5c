/* engine_mpi: messages by MPI, as a library that ptd-update opens when a launcher has started
 * several ranks (comm.h). One thread at a time calls it. Errors come back as words: what MPI would
 * do about them is to end the program without a line of ours. */
#include "compute/engine.h"
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MPI_Request *tickets;
static int n_tickets;
static MPI_Comm world;

static int fail(struct ptd_engine *e, int rc)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n;
    MPI_Error_string(rc, text, &n);
    snprintf(e->words, sizeof e->words, "MPI: %.190s", text);
    return -1;
}

/* A free place in the list of tickets; -1: no memory. */
static int new_ticket(struct ptd_engine *e)
{
    int i = 0, more = n_tickets ? 2 * n_tickets : 64;
    while (i < n_tickets && tickets[i] != MPI_REQUEST_NULL) i++;
    if (i < n_tickets) return i;
    MPI_Request *larger = realloc(tickets, (size_t)more * sizeof *tickets);
    if (!larger) {
        snprintf(e->words, sizeof e->words, "out of memory");
        return -1;
    }
    for (int k = n_tickets; k < more; k++) larger[k] = MPI_REQUEST_NULL;
    tickets = larger;
    n_tickets = more;
    return i;
}

static int send_bytes(struct ptd_engine *e, const void *bytes, size_t n, int to, int tag)
{
    int i = new_ticket(e);
    int rc = i < 0 ? 0 : MPI_Isend(bytes, (int)n, MPI_BYTE, to, tag, world, &tickets[i]);
    return rc ? fail(e, rc) : i;
}

static int receive_bytes(struct ptd_engine *e, void *bytes, size_t n, int from, int tag)
{
    int i = new_ticket(e);
    int rc = i < 0 ? 0 : MPI_Irecv(bytes, (int)n, MPI_BYTE, from, tag, world, &tickets[i]);
    return rc ? fail(e, rc) : i;
}

static int is_done(struct ptd_engine *e, int ticket)
{
    int is = 0, rc = MPI_Test(&tickets[ticket], &is, MPI_STATUS_IGNORE);
    return rc ? fail(e, rc) : is;
}

static int peek(struct ptd_engine *e, int tag, int *from)
{
    MPI_Status s;
    int is = 0, rc = MPI_Iprobe(MPI_ANY_SOURCE, tag, world, &is, &s);
    if (rc) return fail(e, rc);
    if (is) *from = s.MPI_SOURCE;
    return is;
}

static void finish(struct ptd_engine *e)
{
    (void)e;
    MPI_Comm_free(&world);
    MPI_Finalize();
    free(tickets);
    tickets = NULL;
    n_tickets = 0;
}

static const struct ptd_engine_ops ops = {send_bytes, receive_bytes, is_done, peek, finish};

int ptd_engine_plugin(struct ptd_engine *e);
int ptd_engine_plugin(struct ptd_engine *e)
{
    int level, rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    if (rc) return fail(e, rc);
    if (level < MPI_THREAD_SERIALIZED) {
        snprintf(e->words, sizeof e->words, "this MPI serves one thread alone");
        return -1;
    }
    if ((rc = MPI_Comm_dup(MPI_COMM_WORLD, &world))) return fail(e, rc);
    MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(world, &e->rank);
    MPI_Comm_size(world, &e->ranks);
    e->ops = &ops;
    return 0;
}
