/* ptd-update that publishes in transactions of 64 KiB, as only stores of more than 256 MiB
 * otherwise do, and has a second thread send their pages to the disk, as otherwise from 4 MiB on.
 * Everything else is the program's own. */
#define main update_main
#include "../stages/ptd-update.c"
#undef main
#include "store/store_private.h"

int main(int argc, char **argv)
{
    ptd_store_batch = 1 << 16;
    ptd_store_send = 0;
    return update_main(argc, argv);
}
