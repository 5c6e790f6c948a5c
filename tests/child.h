/* child: runs a function in a child process and keeps its exit status, stdout and stderr. */
#ifndef PTD_TESTS_CHILD_H
#define PTD_TESTS_CHILD_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    int status, signal;
    size_t out_len;
    char *out;
    char err[4096];
};

static inline size_t child_slurp(int fd, char *to, size_t cap)
{
    ssize_t n = pread(fd, to, cap - 1, 0);
    to[n > 0 ? n : 0] = 0;
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* f's result is the exit status; in: bytes for stdin. free(c->out) afterwards. */
static inline void child_run(struct child *c, int (*f)(void *ctx), void *ctx, const void *in,
                             size_t in_len)
{
    int input = memfd_create("in", 0), output = memfd_create("out", 0),
        errors = memfd_create("err", 0), status;
    if (pwrite(input, in, in_len, 0) != (ssize_t)in_len) abort();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(input, 0), dup2(output, 1), dup2(errors, 2);
        status = f(ctx);
        fflush(NULL);
        _exit(status);
    }
    if (waitpid(pid, &status, 0) != pid) abort();
    c->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    c->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    c->out = malloc(1 << 20);
    c->out_len = child_slurp(output, c->out, 1 << 20);
    child_slurp(errors, c->err, sizeof c->err);
    close(input);
}
#endif
