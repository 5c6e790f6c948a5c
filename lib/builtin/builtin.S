# builtin: files compiled in, each followed by a NUL byte and an end mark. Their names are in config.c's table, and those
# of the page in view/watch_page.c.
# Paths are relative to lib/ (the assembler is called with -Ilib), or to where objects are built.
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
        file    qwen3_2b_config, "builtin/qwen3-vl-2b/config.json"
        file    qwen3_4b_config, "builtin/qwen3-vl-4b/config.json"
        file    qwen3_8b_config, "builtin/qwen3-vl-8b/config.json"
        file    qwen3_preprocessor, "builtin/qwen3-vl/preprocessor_config.json"
        file    qwen3_generation, "builtin/qwen3-vl/generation_config.json"
        file    watch_html, "builtin/watch/watch.html"
        file    watch_css, "builtin/watch/watch.css"
        file    watch_js, "builtin/watch/watch.js"
        file    page, "page.html"
        .section .note.GNU-stack,"",%progbits
