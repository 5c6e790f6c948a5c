/* The groups of a step, each with all that the loss needs. */
#include "update/update.h"
#include <stdlib.h>
#include <string.h>

/* What a loss of rewards needs: a program left out of the pipe is not taken for zeros. */
static int check_group(const struct ptd_group *g)
{
    if (opt.rules.loss->supervised) return 0;
    if (g->group_accuracy < 0)
        return ptd_fail(
            PTD_DATAERR,
            "group \"%s\" was not judged: expected the output of ptd-verify (or --loss sft)",
            g->uid);
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (y->n && !y->logp)
            return ptd_fail(
                PTD_DATAERR,
                "group \"%s\" has no log-probs of when it was sampled: expected responses of "
                "ptd-rollout (or --loss sft)",
                g->uid);
        if (opt.rules.beta > 0 && !opt.rules.reference && y->n && !y->ref_logp)
            return ptd_fail(PTD_DATAERR,
                            "group \"%s\" has no reference log-probs: expected the output of "
                            "ptd-ref (or --beta 0)",
                            g->uid);
        if (opt.rules.tutoring.masked > 0 && y->n && !y->masked_logp)
            return ptd_fail(PTD_DATAERR,
                            "group \"%s\" has no log-probs with masked pictures: expected the "
                            "output of ptd-ref --mask-picture (or --masked-kl 0)",
                            g->uid);
    }
    return 0;
}

static int open_teacher(struct run *r)
{
    r->teacher = ptd_teacher_noted(r->train->store, &r->head, r->device);
    return r->teacher ? take_teacher(r) : -1;
}

/* A rollout's hidden rows must be such that the teacher's head makes logits of. */
static int check_rows(struct run *r, const struct ptd_rollout *y)
{
    if (!r->teacher && open_teacher(r)) return -1;
    if (r->teacher->vocab != r->train->model->config.vocab)
        return ptd_fail(PTD_CONFIG, "teacher has a vocabulary of %d, expected the student's %d",
                        r->teacher->vocab, r->train->model->config.vocab);
    if (r->teacher->hidden == y->teacher_width) return 0;
    return ptd_fail(PTD_DATAERR, "field \"teacher_width\": %d, expected the teacher's %d",
                    y->teacher_width, r->teacher->hidden);
}

/* What tutored responses need. */
static int check_tutored(struct run *r, const struct ptd_group *g)
{
    int word = opt.rules.divergence->word != NULL;
    if (opt.rules.loss->supervised || g->group_accuracy >= opt.rules.tau) return 0;
    for (int i = 0; i < g->n_rollouts; i++) {
        const struct ptd_rollout *y = &g->rollouts[i];
        if (!ptd_rollout_taught(y)) continue;
        const char *lack = ptd_tutoring_lacks(&opt.rules.tutoring, word, y);
        if (lack) return ptd_fail(PTD_DATAERR, "group \"%s\" has %s", g->uid, lack);
        if (y->teacher_rows && check_rows(r, y)) return -1;
    }
    return 0;
}

static void hold(struct run *r, const struct ptd_frame *f)
{
    struct step *s = &r->step;
    struct held *h;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->held = ptd_realloc(s->held, s->cap * sizeof *s->held);
        s->groups = ptd_realloc(s->groups, s->cap * sizeof *s->groups);
    }
    h = &s->held[s->n++];
    *h = (struct held){.frame = *f};
    h->body = ptd_alloc(f->body_len + 1);
    memcpy(h->body, f->body, f->body_len);
    if (ptd_group_read(&h->group, h->body, f->body_len) || check_group(&h->group) ||
        check_tutored(r, &h->group) ||
        ptd_group_check_words(&h->group, r->train->model->config.vocab)) {
        ptd_reader_blame(r->in, f);
        die_settled(r);
    }
}

/* Of a stream that is all ranks' the groups are dealt as ptd-rollout deals prompts. */
static int is_ours(struct run *r)
{
    return !r->comm || r->head.shares ||
           r->given % ptd_comm_ranks(r->comm) == ptd_comm_rank(r->comm);
}

void take_group(struct run *r, const struct ptd_frame *f)
{
    if (is_ours(r)) {
        hold(r, f);
        if (r->comm && !r->head.shares) r->step.held[r->step.n - 1].group.place = r->given + 1;
    }
    r->given++;
}

void let_go(struct step *s, int from)
{
    for (int i = from; i < s->n; i++) {
        ptd_group_clear(&s->held[i].group);
        free(s->held[i].body);
    }
    s->n = from;
}
