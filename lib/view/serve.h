/* serve: pages over HTTP, for one browser or a few on this machine, by libmicrohttpd.
 *
 *     struct ptd_serve *s = ptd_serve_open("127.0.0.1:8080", 0, pages, n, ctx);
 *     while (...) ptd_serve_wait(s, 500);      // answers what is asked meanwhile
 *     ptd_serve_close(s);
 *
 * It only reads: GET and HEAD, all else is 405. On a loopback address (any other is refused unless
 * `anyone`) it answers under loopback names only, so that no page of another place can have a
 * browser ask (DNS rebinding); what it sends is not kept, may load nothing from elsewhere, and is
 * never framed. */
#ifndef PTD_SERVE_H
#define PTD_SERVE_H
#include "base/err.h"

struct ptd_page {
    const char *path, *type;
    const char *text;         /* that is always the same, or NULL */
    char *(*make)(void *ctx); /* malloc'd text, as of now; NULL where `text` is */
};
struct ptd_serve;
/* where: "127.0.0.1:8080", "[::1]:8080", "localhost:8080" or "8080"; port 0: any that is free.
 * NULL: 2 malformed or no loopback address; 71 the port is taken or may not be. */
struct ptd_serve *ptd_serve_open(const char *where, int anyone, const struct ptd_page *pages, int n,
                                 void *ctx);
int ptd_serve_port(const struct ptd_serve *s);
void ptd_serve_wait(struct ptd_serve *s, int ms);
void ptd_serve_close(struct ptd_serve *s);
#endif
