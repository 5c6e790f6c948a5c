/* launched: see launched.h. */
#include "base/launched.h"
#include "base/opt.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

const char *ptd_launched_store(const char *store)
{
    const char *own = getenv("PTD_STORE");
    return own && *own && !ptd_opt_given("store") ? own : store;
}

/* -1: there is none. */
static int gate(void)
{
    const char *text = getenv("PTD_GATE");
    return text && *text ? atoi(text) : -1;
}

int ptd_gate_wait(int out)
{
    struct pollfd p[2] = {{.fd = gate(), .events = POLLIN}, {.fd = out}};
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
    ssize_t ignored = gate() < 0 ? 0 : write(gate(), &one, sizeof one);
    (void)ignored;
}
