/* glossary: see glossary.h. */
#include "method/glossary.h"
#include <stddef.h>
#include <string.h>

#define ANY      PTD_METRIC_ANY
#define POSITIVE PTD_METRIC_POSITIVE
#define SHARE    PTD_METRIC_SHARE

const struct ptd_metric ptd_metrics_known[] = {
    {"step", "", "number of the step, from 1; the generation that it made", NULL, POSITIVE},
    {"actor/loss", "", "L, what is minimised; with --loss sft the cross-entropy of the answers",
     "loss", ANY},
    {"reward/overall", "", "mean reward of an answer", "mean reward", ANY},
    {"reward/accuracy", "share", "mean accuracy of an answer", "accuracy of sampled responses",
     SHARE},
    {"reward/format", "share", "answers in the right form", "share in the right form", SHARE},
    {"reward/unparsable", "share", "responses in which no answer was found",
     "share without an answer", SHARE},
    {"reward/NAME", "", "mean of what ptd-verify --exec NAME answered, over those that have it",
     NULL, ANY},
    {"answer/distinct_ratio", "share", "different answers of the step among all that it gave",
     "share of distinct answers", SHARE},
    {"answer/top_ratio", "share", "responses that give the step's most frequent answer",
     "share of the most frequent answer", SHARE},
    {"critic/score/mean", "", "mean reward, before a KL is taken from it", "mean score", ANY},
    {"critic/score/max", "", "largest reward", NULL, ANY},
    {"critic/score/min", "", "smallest reward", NULL, ANY},
    {"critic/rewards/mean", "", "mean reward, less a KL in the reward", "mean reward", ANY},
    {"critic/rewards/max", "", "largest of them", NULL, ANY},
    {"critic/rewards/min", "", "smallest of them", NULL, ANY},
    {"critic/advantages/mean", "", "mean advantage of a token", NULL, ANY},
    {"critic/advantages/max", "", "largest advantage", NULL, ANY},
    {"critic/advantages/min", "", "smallest advantage", NULL, ANY},
    {"critic/returns/mean", "", "mean of what is earned from a token on", NULL, ANY},
    {"critic/returns/max", "", "largest of them", NULL, ANY},
    {"critic/returns/min", "", "smallest of them", NULL, ANY},
    {"actor/pg_loss", "", "policy-gradient part of L", "policy-gradient loss", ANY},
    {"actor/ppo_kl", "nats", "mean of log-prob when sampled less log-prob now, over tokens", NULL,
     ANY},
    {"actor/entropy_loss", "nats", "mean of -log-prob of the tokens that were sampled", NULL,
     POSITIVE},
    {"actor/pg_clipfrac_higher", "share", "tokens that the clip decided", NULL, SHARE},
    {"actor/pg_clipfrac_lower", "share", "tokens that the dual clip decided", NULL, SHARE},
    {"actor/kl_loss", "nats", "KL to the reference, before kl_coef; 0 with --kl-in reward",
     "KL to the reference per token", ANY},
    {"actor/kl_coef", "", "beta, the weight of the KL", NULL, POSITIVE},
    {"critic/kl", "nats", "with --kl-in reward: mean KL of the tokens that have one", NULL, ANY},
    {"actor/tokens", "tokens", "tokens of answers in the step", NULL, POSITIVE},
    {"actor/kl_tokens", "tokens", "those of them that have a KL", NULL, POSITIVE},
    {"actor/max_ratio_error", "", "largest |ratio - 1| that was met", NULL, POSITIVE},
    {"actor/sampling_gap/mean", "nats",
     "mean |log-prob - log-prob when sampled| at the step's begin", NULL, POSITIVE},
    {"actor/sampling_gap/max", "nats", "largest of them", NULL, POSITIVE},
    {"actor/tis/mean", "", "with --tis: mean of how often a token counts", NULL, POSITIVE},
    {"actor/tis/min", "", "with --tis: smallest of them", NULL, POSITIVE},
    {"actor/tis/truncated", "share", "with --tis: tokens that C cut", NULL, SHARE},
    {"ptd/ptd_groups", "groups", "groups with a tutored answer", NULL, POSITIVE},
    {"ptd/total_groups", "groups", "groups in the step", NULL, POSITIVE},
    {"ptd/ptd_trajectories", "answers", "tutored answers", "tutored responses", POSITIVE},
    {"ptd/total_trajectories", "answers", "answers in the step", NULL, POSITIVE},
    {"ptd/ptd_tokens", "tokens", "tokens of tutored answers", NULL, POSITIVE},
    {"ptd/mask_ratio", "share", "answers that are tutored", "share of tutored responses", SHARE},
    {"ptd/group_mask_ratio", "share", "groups with a tutored answer", NULL, SHARE},
    {"ptd/hint_ratio", "share", "groups with a hint", "share of groups with a hint", SHARE},
    {"ptd/hint_gate_ratio", "share", "with ptd-hint --gate: weighed groups whose hint passed", NULL,
     SHARE},
    {"actor/ptd_kl", "nats", "mean divergence from the tutor, over tokens of tutored answers",
     "divergence from the tutor per token", ANY},
    {"actor/ptd_loss", "", "tutor's part of L: lambda times the weighed divergence", NULL, ANY},
    {"actor/ptd_coef", "", "lambda, as of this step", NULL, POSITIVE},
    {"actor/kl_prcp_loss", "nats",
     "with --masked-kl: distance from what is said with masked "
     "pictures",
     NULL, ANY},
    {"actor/kl_prcp_coef", "", "with --masked-kl: its weight", NULL, POSITIVE},
    {"group_reward/all_fail_ratio", "share", "groups in which no answer is right",
     "share of all-fail groups", SHARE},
    {"group_reward/all_pass_ratio", "share", "groups in which all answers are right",
     "share of all-pass groups", SHARE},
    {"group_reward/informative_ratio", "share", "groups in which some are", "share of mixed groups",
     SHARE},
    {"actor/picture_words_loss", "nats",
     "with --picture-words: cross-entropy of what picture tokens name", "picture-words loss",
     POSITIVE},
    {"actor/entropy", "nats", "mean entropy of the student's distribution, over tokens",
     "entropy per token (nats)", POSITIVE},
    {"actor/entropy_bonus", "", "entropy's part of L", NULL, ANY},
    {"actor/grad_norm", "", "norm of the gradient before clipping, mean of the step's updates",
     "gradient norm", POSITIVE},
    {"actor/lr", "", "learning rate", "learning rate", POSITIVE},
    {"actor/refused_updates", "updates", "updates that were refused, since a number was not finite",
     NULL, POSITIVE},
    {"response_length/mean", "tokens", "mean length of an answer", "response length (tokens)",
     POSITIVE},
    {"response_length/max", "tokens", "longest answer", NULL, POSITIVE},
    {"response_length/min", "tokens", "shortest answer", NULL, POSITIVE},
    {"response_length/clip_ratio", "share", "answers that were cut at the limit",
     "share of cut responses", SHARE},
    {"prompt_length/mean", "tokens", "mean length of a prompt, pictures included", NULL, POSITIVE},
    {"prompt_length/max", "tokens", "longest prompt", NULL, POSITIVE},
    {"prompt_length/min", "tokens", "shortest prompt", NULL, POSITIVE},
    {"prompt_length/clip_ratio", "share", "prompts at --max-prompt or the context; none is cut",
     NULL, SHARE},
    {"timing_s/wait", "s", "waiting for the stream", NULL, POSITIVE},
    {"timing_s/update_actor", "s", "computing", NULL, POSITIVE},
    {"timing_s/save_checkpoint", "s", "publishing", NULL, POSITIVE},
    {"timing_s/step", "s", "all of the step", "seconds a step", POSITIVE},
    {"perf/total_num_tokens", "tokens", "tokens of all answers, each with its prompt", NULL,
     POSITIVE},
    {"perf/computed_tokens", "tokens",
     "tokens that the network learned from: shared prompts once, each epoch again", NULL, POSITIVE},
    {"perf/time_per_step", "s", "as timing_s/step", NULL, POSITIVE},
    {"perf/throughput", "tokens/s", "total_num_tokens by timing_s/step", NULL, POSITIVE},
    {"val/accuracy_reward", "share",
     "of ptd-eval: mean accuracy of the greedy answer on its data "
     "set",
     "validation: accuracy of greedy answers", SHARE},
    {"val/accuracy_reward/low", "share", "lower end of its 95 % range", NULL, SHARE},
    {"val/accuracy_reward/high", "share", "upper end of its 95 % range", NULL, SHARE},
    {"val/format_reward", "share", "greedy answers in the right form", NULL, SHARE},
    {"val/unparsable", "share", "greedy responses in which no answer was found", NULL, SHARE},
    {"val/response_length", "tokens", "mean length of a greedy answer", NULL, POSITIVE},
    {"val/distinct_ratio", "share", "different greedy answers among all", NULL, SHARE},
    {"val/baseline", "share", "what the best single answer to everything would come to", NULL,
     SHARE},
    {"val/mean@K", "share", "mean accuracy of K samples", "validation: mean accuracy of samples",
     SHARE},
    {"val/mean@K/low", "share", "lower end of its 95 % range", NULL, SHARE},
    {"val/mean@K/high", "share", "upper end of its 95 % range", NULL, SHARE},
    {"val/pass@K", "share", "prompts of which one of K samples is right",
     "validation: one of the samples is right", SHARE},
    {"val/pass@K/low", "share", "lower end of its 95 % range", NULL, SHARE},
    {"val/pass@K/high", "share", "upper end of its 95 % range", NULL, SHARE},
    {"val/maj@K", "share", "prompts of which the most frequent of K answers is right",
     "validation: the most frequent answer is right", SHARE},
    {"val/maj@K/low", "share", "lower end of its 95 % range", NULL, SHARE},
    {"val/maj@K/high", "share", "upper end of its 95 % range", NULL, SHARE},
    {"val/entropy", "nats", "mean of -log-prob of the samples' tokens", NULL, POSITIVE},
    {"val/seconds", "s", "that the examination took", NULL, POSITIVE},
    {"val/best_step", "", "the generation that is best so far, and pinned", NULL, POSITIVE},
    {0}};

/* "reward/NAME" is any name, "val/pass@K" any number. */
static int fits(const char *pattern, const char *name)
{
    size_t n = strcspn(pattern, "NK"), digits;
    if (strncmp(pattern, name, n) != 0) return 0;
    if (strcmp(pattern + n, "NAME") == 0) return name[n] != '\0';
    if (pattern[n] != 'K') return strcmp(pattern, name) == 0;
    digits = strspn(name + n, "0123456789");
    return digits > 0 && strcmp(pattern + n + 1, name + n + digits) == 0;
}

const struct ptd_metric *ptd_metric_named(const char *name)
{
    const struct ptd_metric *found = NULL;
    for (const struct ptd_metric *m = ptd_metrics_known; m->name; m++) {
        if (strcmp(m->name, name) == 0) return m;
        if (!found && fits(m->name, name)) found = m;
    }
    return found;
}
