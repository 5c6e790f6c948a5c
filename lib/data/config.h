/* config: the numbers of a Qwen3-VL model, read from a Hugging Face config.json (both spellings of
 * the rotary block), and of its image processor. A missing required key is an error (65, named);
 * class defaults are never used. A number out of range or at odds with another is an error (65); a
 * setting that this engine does not implement (another activation, biases in attention, scaled
 * rotary angles ...) is refused with 78.
 *
 * Messages: config.json: field "text_config.hidden_size": found 0, expected a whole number from 1
 * to 65536 */
#ifndef PTD_CONFIG_H
#define PTD_CONFIG_H
#include "base/err.h"
#include "store/store.h"

#define PTD_DEEPSTACK_MAX 8
#define PTD_STOP_MAX      8

struct ptd_config {
    /* text_config */
    int vocab, hidden, layers, heads, kv_heads, head_dim, intermediate;
    /* most tokens of a prompt: max_position_embeddings, 0 where the file does not say */
    int positions;
    double rms_eps, rope_theta;
    int mrope_section[3]; /* t, h, w; interleaved (section[0] is implied) */
    int tied;             /* lm_head shares embed_tokens; the weights have the last word */
    int text_tied;        /* what text_config says of it, which counts for nothing */
    double init_std;      /* initializer_range, for random weights */
    /* that the weights were published in (dtype.h); 0: the file does not say */
    int dtype;
    /* vision_config */
    int v_depth, v_hidden, v_heads, v_intermediate, v_channels, v_patch, v_temporal, v_merge,
        v_positions, v_out;
    int n_deepstack, deepstack[PTD_DEEPSTACK_MAX]; /* vision block indices */
    /* top level */
    int image_token, video_token, vision_start, vision_end;
    int eos[PTD_STOP_MAX], n_eos; /* generation_config.json's eos_token_id, else text_config's */
    /* the chat template ends a prompt inside a thought; 0 until ptd_template_read (chat.h) */
    int thinking;
};
/* `json` is config.json's text; `generation` is generation_config.json's text or NULL. */
int ptd_config_parse(struct ptd_config *c, const char *json, const char *generation) PTD_MUST_CHECK;

/* Whose bicubic: torchvision's for bytes (weights of 16 bits, horizontal pass first), Pillow's
 * (weights of 32 bits, horizontal first), or that of Pillow from 13.0 on (the same, but vertical
 * first if the height shrinks by over twice as many pixels as the width). It is torchvision's,
 * whatever image_processor_type says: the reference implementation takes the name, with "Fast" or
 * "Pil" behind it or none, for a family of classes, and of these the one with torchvision. A field
 * of our own beside it, "ptd_resample": "pillow", "pillow-13" or "torchvision", decides otherwise.
 */
enum ptd_resample { PTD_PILLOW, PTD_TORCHVISION, PTD_PILLOW_13 };

/* processor_config.json's image_processor, or preprocessor_config.json where it has none */
struct ptd_image_rules {
    int patch, merge, temporal;
    long min_pixels,
        /* of the resized picture; size.shortest_edge and longest_edge unless given by these
         * names */
        max_pixels;
    float mean[3], std[3]; /* of values scaled to 0..1 */
    enum ptd_resample resample;
    const char *file; /* that they came from, for messages */
};
/* Which of the two texts (NULL: not there) has the rules for pictures: processor_config.json if
 * there is an image_processor in it, else preprocessor_config.json; NULL if that is not there. */
const char *ptd_image_rules_choose(const char *preprocessor, const char *processor);
/* The same of a store's files: malloc'd or NULL. */
char *ptd_image_rules_file(struct ptd_store *s);
int ptd_image_rules_parse(struct ptd_image_rules *r, const char *json) PTD_MUST_CHECK;
/* The two files describe the same patches (65 if not). */
int ptd_config_check_rules(const struct ptd_config *c,
                           const struct ptd_image_rules *r) PTD_MUST_CHECK;

/* Files compiled in, by "NAME/FILE", e.g. "tiny/config.json"; NULL if there is none. *len may be
 * NULL. The text ends with a NUL. */
const char *ptd_builtin(const char *name, size_t *len);
const char *ptd_builtin_model(int i); /* "tiny", "qwen3-vl-2b" ...; NULL behind the last */
/* The built-in model whose shape this is, e.g. "qwen3-vl-4b"; NULL if it is another. */
const char *ptd_config_name(const struct ptd_config *c);
#endif
