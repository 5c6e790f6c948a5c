/* signals: what a program is told while it runs. Handlers only set a flag; what is to be done about
 * it is done in the main loop.
 *
 * A program that makes files ends with nothing left of them (SIGINT, SIGTERM, SIGHUP; what was
 * ignored at its start stays so):
 *
 *     const volatile int *stop = ptd_stop_heed();
 *     for (...) if (*stop) { clean up; ptd_stop_die(); }
 *
 * SIGUSR2 asks how far a program is. It answers in one line on stderr, after -q too, and goes on.
 * Waiting calls are interrupted by it (EINTR):
 *
 *     ptd_asked_heed(tell, &run);     // tell says the line, by ptd_tell
 *     for (...) ptd_asked_answer();   // stream.c does while it waits */
#ifndef PTD_SIGNALS_H
#define PTD_SIGNALS_H

const volatile int *ptd_stop_heed(void); /* 0, then the signal's number */
_Noreturn void ptd_stop_die(void);       /* as the signal would have ended it */
/* For who has nothing to clean up but what a handler may (f does): SIGINT, SIGTERM, SIGHUP, SIGQUIT
 * and SIGPIPE call f and end the program as they would have; what was ignored stays so. */
void ptd_stop_before(void (*f)(void));
void ptd_asked_heed(void (*tell)(const void *ctx), const void *ctx);
void ptd_asked_answer(void); /* nothing if nobody asked */
void ptd_ask(void);          /* as SIGUSR2 does; for handlers */
#endif
