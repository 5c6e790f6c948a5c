/* launched: see launched.h. */
#include "base/launched.h"
#include "base/opt.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *ptd_launched_store(const char *store)
{
    const char *own = getenv("PTD_STORE");
    return own && *own && !ptd_opt_given("store") ? own : store;
}

/* A descriptor by its variable's name; -1: there is none. */
static int number_of(const char *name)
{
    const char *text = getenv(name);
    return text && *text ? atoi(text) : -1;
}

int ptd_gate_wait(int out)
{
    struct pollfd p[2] = {{.fd = number_of("PTD_GATE"), .events = POLLIN}, {.fd = out}};
    if (p[0].fd < 0) return 0;
    for (;;) {
        int n = poll(p, 2, -1);
        if (n < 0 && errno != EINTR) return ptd_fail(PTD_OSERR, "waiting for the ranks to agree:");
        if (n > 0 && p[0].revents & POLLIN) return 0;
        if (n > 0 && p[1].revents)
            return ptd_fail(PTD_CUT, "the reader of this stream has gone before ranks agreed");
        if (n > 0 && p[0].revents)
            return ptd_fail(PTD_CONFIG, "PTD_GATE in the environment names no descriptor of ours");
    }
}

void ptd_gate_open(void)
{
    uint64_t one = 1;
    int gate = number_of("PTD_GATE");
    ssize_t ignored = gate < 0 ? 0 : write(gate, &one, sizeof one);
    (void)ignored;
}

void ptd_here_tell(void)
{
    int here = number_of("PTD_HERE");
    if (here >= 0) send(here, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}
