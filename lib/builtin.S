# builtin: files compiled in, each followed by a NUL byte and an end mark. Their names are in config.c's table.
# Paths are relative to lib/ (the assembler is called with -Ilib).
        .section .rodata
.macro  file symbol, path
        .globl  ptd_file_\symbol, ptd_file_\symbol\()_end
        .hidden ptd_file_\symbol, ptd_file_\symbol\()_end
        .balign 16
ptd_file_\symbol:
        .incbin "\path"
ptd_file_\symbol\()_end:
        .byte   0
.endm
        file    tiny_config, "builtin/tiny/config.json"
        file    tiny_preprocessor, "builtin/tiny/preprocessor_config.json"
        file    tiny_generation, "builtin/tiny/generation_config.json"
        file    tiny_tokenizer, "builtin/tiny/tokenizer.json"
        .section .note.GNU-stack,"",%progbits
