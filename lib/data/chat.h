/* chat: a conversation as Qwen3-VL's chat templates write it, Instruct or Thinking; as text and as
 * ids.
 *
 *     <|im_start|>ROLE\n PARTS <|im_end|>\n        for each message, and if a reply is wanted
 *     <|im_start|>assistant\n                      and <think>\n where the config says `thinking`
 *
 * There is no system message unless one is given, and only the first message can be one. Parts come
 * in the order given, with nothing between them. A picture, in a user's turn only, is
 * <|vision_start|><|image_pad|>*K<|vision_end|> with K = (height/factor)*(width/factor), factor =
 * patch * merge; `numbered` puts "Picture N: " before each, counted through the conversation.
 *
 * Thoughts. Instruct writes an assistant's turn as it is, and has no other thoughts. Thinking
 * leaves the thought out of turns before the user's last question, and writes those after it as
 * <think>\nTHOUGHT\n</think>\n\nTEXT; an empty thought only in the last message. Without `thought`,
 * the text's own is taken: what stands before </think>.
 *
 * Messages are text and nothing else: a control token that one spells, such as <|im_end|>, is
 * written and read as text (ptd_tokenizer_encode_data). A tokenizer that has picture tokens which
 * are no control tokens is met with a refusal where a text spells one. Which of the two templates a
 * model's files have, template.h tells. */
#ifndef PTD_CHAT_H
#define PTD_CHAT_H
#include "data/config.h"
#include "data/token.h"
#include "flow/record.h"

struct ptd_part {
    const char *text;                  /* or, if NULL, */
    const struct ptd_picture *picture; /* resized; only its size counts here */
};
struct ptd_message {
    const char *role; /* "system", "user" or "assistant" */
    const struct ptd_part *parts;
    int n_parts;
    const char *thought; /* of an assistant, or NULL */
};
struct ptd_chat {
    const struct ptd_message *messages;
    int n_messages;
    int reply;    /* ends where the assistant's next turn begins */
    int numbered; /* the templates' flag add_vision_id */
};

/* Has the tokenizer the words that templates write, as the config has them? -1 (78). */
int ptd_chat_check(const struct ptd_tokenizer *t, const struct ptd_config *c) PTD_MUST_CHECK;
/* The text, malloc'd; NULL on failure (65). */
char *ptd_chat_text(const struct ptd_config *c, const struct ptd_chat *chat);
/* The text's ids, malloc'd; the count or -1 (65; 78: a tokenizer that lacks what the templates
 * need). */
int ptd_chat_render(const struct ptd_tokenizer *t, const struct ptd_config *c,
                    const struct ptd_chat *chat, int32_t **ids) PTD_MUST_CHECK;
#endif
