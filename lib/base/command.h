/* command: a command line as text. */
#ifndef PTD_COMMAND_H
#define PTD_COMMAND_H

/* As a shell would read it back, the program without its folder, in UTF-8 whatever its bytes are
 * ($'te\351'); malloc'd. */
char *ptd_command_line(int argc, char **argv);
#endif
