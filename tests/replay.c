/* Runs a fuzzing entry over its corpus, tests/corpus-fuzz/NAME, without a fuzzer: linked with it as
 * build/cpu/fuzz-NAME. An input that does harm ends the program. Leaves the search for new inputs
 * to tests/fuzz.sh. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void replay(const char *path)
{
    FILE *f = fopen(path, "r");
    uint8_t *bytes;
    long n;
    if (!f || fseek(f, 0, SEEK_END) < 0 || (n = ftell(f)) < 0) abort();
    rewind(f);
    bytes = malloc((size_t)n); /* no byte more, so that a sanitizer sees what is read behind it */
    if (fread(bytes, 1, (size_t)n, f) != (size_t)n) abort();
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, (size_t)n);
    free(bytes);
}

int main(int argc, char **argv)
{
    FILE *out = stdout;
    struct dirent **list;
    char folder[300], path[600];
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    int n, tried = 0;
    (void)argc;
    snprintf(folder, sizeof folder, "tests/corpus-fuzz/%s", strchr(name, '-') + 1);
    if ((n = scandir(folder, &list, NULL, alphasort)) < 0) return perror(folder), 1;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        if (*list[i]->d_name != '.') replay(path), tried++;
        free(list[i]);
    }
    free(list);
    fprintf(out, "%sok 1 - %s: %d inputs of the corpus replayed\n", tried ? "" : "not ", name,
            tried);
    return !tried;
}
