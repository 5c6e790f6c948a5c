/* prompt: one user turn of the Qwen3-VL Instruct template as text, then as ids.
 * Which hint, if any, is the caller's; pictures arrive already resized. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "prompt.h"

#define MARK "<image>"

static int check_tokens(const struct ptd_tokenizer *t, const struct ptd_config *c)
{
    const struct {
        const char *text;
        int id;
    } want[] = {{"<|vision_start|>", c->vision_start},
                {"<|vision_end|>", c->vision_end},
                {"<|image_pad|>", c->image_token}};
    if (ptd_tokenizer_id(t, "<|im_start|>") < 0 || ptd_tokenizer_id(t, "<|im_end|>") < 0)
        return ptd_fail(PTD_CONFIG,
                        "tokenizer lacks <|im_start|> or <|im_end|>, which the chat template needs");
    for (int i = 0; i < 3; i++)
        if (ptd_tokenizer_id(t, want[i].text) != want[i].id)
            return ptd_fail(PTD_CONFIG, "%s is token %d in the tokenizer, %d in the model's config",
                            want[i].text, ptd_tokenizer_id(t, want[i].text), want[i].id);
    return 0;
}

/* Image tokens of p; 0 after a failure. */
static long picture_tokens(const struct ptd_config *c, const struct ptd_picture *p)
{
    int factor = c->v_patch * c->v_merge;
    if (p->height >= factor && p->width >= factor && p->height % factor == 0 && p->width % factor == 0)
        return (long)(p->height / factor) * (p->width / factor);
    ptd_fail(PTD_DATAERR, "picture of %dx%d pixels: expected sides that are multiples of %d", p->width,
             p->height, factor);
    return 0;
}

static int count_marks(const char *s)
{
    int n = 0;
    for (; (s = strstr(s, MARK)); s += strlen(MARK)) n++;
    return n;
}

static int put_picture(FILE *out, const struct ptd_config *c, const struct ptd_picture *p)
{
    long n = picture_tokens(c, p);
    if (!n) return -1;
    fputs("<|vision_start|>", out);
    while (n--) fputs("<|image_pad|>", out);
    fputs("<|vision_end|>", out);
    return 0;
}

static int put_question(FILE *out, const struct ptd_config *c, const struct ptd_group *g)
{
    const char *s = g->question ? g->question : "", *mark;
    int marks = count_marks(s), used = 0;
    if (marks && marks != g->n_pictures)
        return ptd_fail(PTD_DATAERR, "question has %d <image> marks, expected %d, one for each picture",
                        marks, g->n_pictures);
    while (!marks && used < g->n_pictures)
        if (put_picture(out, c, &g->pictures[used++]) < 0) return -1;
    for (; (mark = strstr(s, MARK)); s = mark + strlen(MARK)) {
        fwrite(s, 1, mark - s, out);
        if (put_picture(out, c, &g->pictures[used++]) < 0) return -1;
    }
    fputs(s, out);
    return 0;
}

/* Text may spell added tokens, and they count; but a picture's tokens must stand for a picture. */
static int check_pictures(const struct ptd_config *c, const struct ptd_group *g, const int32_t *ids, int n)
{
    long pads = 0, starts = 0, ends = 0, videos = 0, want = 0;
    for (int i = 0; i < n; i++) {
        pads += ids[i] == c->image_token, videos += ids[i] == c->video_token;
        starts += ids[i] == c->vision_start, ends += ids[i] == c->vision_end;
    }
    for (int i = 0; i < g->n_pictures; i++) want += picture_tokens(c, &g->pictures[i]);
    if (pads == want && starts == g->n_pictures && ends == g->n_pictures && !videos) return 0;
    return ptd_fail(
        PTD_DATAERR,
        "question or hint spells a picture token (<|vision_start|>, <|image_pad|>, ...); use <image>");
}

int ptd_prompt_render(const struct ptd_tokenizer *t, const struct ptd_config *c, const struct ptd_group *g,
                      const char *hint, int32_t **ids)
{
    char *text = NULL;
    size_t len = 0;
    *ids = NULL;
    if (check_tokens(t, c) < 0) return -1;
    FILE *out = open_memstream(&text, &len);
    if (!out) ptd_die(PTD_OSERR, "out of memory for a prompt");
    fputs("<|im_start|>user\n", out);
    int n = put_question(out, c, g);
    if (hint) fprintf(out, "\nHint: %s", hint);
    fputs("<|im_end|>\n<|im_start|>assistant\n", out);
    if (fclose(out)) ptd_die(PTD_OSERR, "out of memory for a prompt");
    if (n == 0) n = ptd_tokenizer_encode(t, text, len, ids);
    free(text);
    if (n >= 0 && check_pictures(c, g, *ids, n) < 0) {
        free(*ids);
        *ids = NULL;
        return -1;
    }
    return n;
}
