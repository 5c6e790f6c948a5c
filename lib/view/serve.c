/* serve: see serve.h. */
#include "view/serve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

struct ptd_serve {
    struct MHD_Daemon *daemon;
    const struct ptd_page *pages;
    int n, anyone;
    void *ctx;
};

/* ---- addresses ---- */

/* Cuts "HOST:PORT" in two; HOST may stand in brackets, and may be missing. */
static int split(const char *where, char host[64], char port[8])
{
    const char *colon = strrchr(where, ':'), *from = where, *end = colon ? colon : where;
    const char *digits = colon ? colon + 1 : where;
    if (*from == '[' && end > from && end[-1] == ']') from++, end--;
    if (!*digits || strlen(digits) > 5 || digits[strspn(digits, "0123456789")] ||
        atoi(digits) > 65535 || end - from > 63)
        return ptd_fail(PTD_USAGE, "--serve: found \"%.64s\", expected the like of 127.0.0.1:8080",
                        where);
    snprintf(host, 64, "%.*s", (int)(end - from), from);
    if (!*host) strcpy(host, "127.0.0.1");
    strcpy(port, digits);
    return 0;
}

static int is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static struct addrinfo *address_of(const char *where, int anyone)
{
    char host[64], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
                    *a;
    if (split(where, host, port)) return NULL;
    const char *name = strcasecmp(host, "localhost") ? host : "127.0.0.1";
    if (getaddrinfo(name, port, &hints, &a)) {
        ptd_fail(PTD_USAGE, "--serve: found \"%.64s\", expected an address in numbers", host);
        return NULL;
    }
    if (anyone || is_loopback(a->ai_addr)) return a;
    freeaddrinfo(a);
    ptd_fail(PTD_USAGE,
             "--serve %.64s: others could read it there: expected a loopback address, or --anyone "
             "beside it",
             where);
    return NULL;
}

/* May a browser have been told this name? "localhost:8080", "127.0.0.1", "[::1]:8080" */
static int is_local_name(const char *host)
{
    char name[64];
    struct in_addr four;
    if (!host || strlen(host) > 63) return 0;
    if (!strncmp(host, "[::1]", 5)) return host[5] == 0 || host[5] == ':';
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host, ":"), host);
    if (!strcasecmp(name, "localhost")) return 1;
    return inet_pton(AF_INET, name, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *c, int status, const char *type, char *text,
                              int keep)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src "
         "data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}};
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(text), text, keep ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MHD_add_response_header(r, headers[i][0], headers[i][1]);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result rc = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *c, int status, const char *words)
{
    return answer(c, status, "text/plain; charset=utf-8", (char *)(uintptr_t)words, 1);
}

static enum MHD_Result on_request(void *own, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **seen)
{
    static int once;
    const struct ptd_serve *s = own;
    if (!*seen) { /* the head is there; what follows is not looked at */
        *seen = &once;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this only shows\n");
    if (!s->anyone && !is_local_name(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")))
        return refuse(c, MHD_HTTP_FORBIDDEN, "not under this name\n");
    for (int i = 0; i < s->n; i++) {
        const struct ptd_page *p = &s->pages[i];
        if (strcmp(url, p->path) != 0) continue;
        if (p->text) return answer(c, MHD_HTTP_OK, p->type, (char *)(uintptr_t)p->text, 1);
        return answer(c, MHD_HTTP_OK, p->type, p->make(s->ctx), 0);
    }
    return refuse(c, MHD_HTTP_NOT_FOUND, "nothing of that name\n");
}

/* ---- all ---- */

struct ptd_serve *ptd_serve_open(const char *where, int anyone, const struct ptd_page *pages, int n,
                                 void *ctx)
{
    struct addrinfo *a = address_of(where, anyone);
    if (!a) return NULL;
    struct ptd_serve *s = ptd_alloc(sizeof *s);
    *s = (struct ptd_serve){.pages = pages, .n = n, .anyone = anyone, .ctx = ctx};
    errno = 0;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | (a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0), 0,
                                 NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, a->ai_addr,
                                 MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT,
                                 30u, MHD_OPTION_END);
    freeaddrinfo(a);
    if (s->daemon) return s;
    free(s);
    ptd_fail(PTD_OSERR, "--serve %.64s:", where);
    return NULL;
}

int ptd_serve_port(const struct ptd_serve *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void ptd_serve_wait(struct ptd_serve *s, int ms)
{
    MHD_run_wait(s->daemon, ms);
}

void ptd_serve_close(struct ptd_serve *s)
{
    MHD_stop_daemon(s->daemon);
    free(s);
}
