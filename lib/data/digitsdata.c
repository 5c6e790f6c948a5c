/* digitsdata: the subset of MNIST's handwriting that is compiled in (see NOTICE).
 * Unpacking is left to digits.c; paths are relative to the root of the sources, where make runs. */
#define EMBED(symbol, file)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            ".globl " symbol "\n" symbol ":\n"                                                     \
            ".incbin \"lib/builtin/digits/" file "\"\n"                                            \
            ".globl " symbol "_end\n" symbol "_end:\n"                                             \
            ".byte 0\n"                                                                            \
            ".popsection\n")

EMBED("ptd_digits_train_images", "train-images.gz");
EMBED("ptd_digits_train_labels", "train-labels.gz");
EMBED("ptd_digits_test_images", "test-images.gz");
EMBED("ptd_digits_test_labels", "test-labels.gz");
