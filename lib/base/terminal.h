/* terminal: whether a person sits at a descriptor, or a program that starts ranks of a parallel job
 * and gives them terminals of their own. */
#ifndef PTD_TERMINAL_H
#define PTD_TERMINAL_H

/* 1: fd (0 or 1) is a terminal, no place for a stream. 0: it is none, or the terminal of a rank
 * under mpirun, mpiexec or srun, which their variables tell: bytes then pass it unchanged from now
 * on, until the program ends. */
int ptd_terminal(int fd);
#endif
