/* signals: see signals.h. The stop of a trainer, which has a step in flight, is ptd-update's own.
 */
#include "base/signals.h"
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile int stop;
static volatile sig_atomic_t asked;
static void (*tell)(const void *ctx);
static const void *tell_ctx;

static void on_stop(int number)
{
    stop = number;
}

static void (*before_end)(void);

static void on_end(int number)
{
    before_end();
    signal(number, SIG_DFL);
    raise(number);
}

static void on_ask(int number)
{
    (void)number;
    asked = 1;
}

const volatile int *ptd_stop_heed(void)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    /* nohup, or in the background */
    for (int i = 0; i < 3; i++)
        if (signal(stops[i], on_stop) == SIG_IGN) signal(stops[i], SIG_IGN);
    return &stop;
}

void ptd_stop_die(void)
{
    signal(stop, SIG_DFL);
    raise(stop);
    _exit(128 + stop);
}

void ptd_stop_before(void (*f)(void))
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    before_end = f;
    for (int i = 0; i < 5; i++)
        if (signal(ends[i], on_end) == SIG_IGN) signal(ends[i], SIG_IGN);
}

void ptd_asked_heed(void (*f)(const void *ctx), const void *ctx)
{
    struct sigaction a = {.sa_handler = on_ask};
    tell = f;
    tell_ctx = ctx;
    sigaction(SIGUSR2, &a, NULL);
}

void ptd_ask(void)
{
    asked = 1;
}

void ptd_asked_answer(void)
{
    if (!asked || !tell) return;
    asked = 0;
    tell(tell_ctx);
}
