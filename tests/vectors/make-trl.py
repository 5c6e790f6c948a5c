#!/usr/bin/env python3
"""Losses and their gradients by TRL's own GRPOTrainer._compute_loss, on one made-up record.

    python3 -m venv v && v/bin/pip install trl==1.16.0
    v/bin/python make-trl.py > trl.txt

The trainer is made without its constructor, and the log-probs that it would ask a model for are
leaves, in float64. Each case is a line: the method's name (of ptd-update --method), options that it
is asked with besides, L, and dL/dlogp of each token. tests/test-trl.c reads it.
"""
from collections import defaultdict
from types import SimpleNamespace

import torch
import trl
from trl.trainer.grpo_trainer import GRPOTrainer

torch.manual_seed(16)
LENGTHS = [3, 1, 5, 4, 2, 6]
LIMIT = 9  # of responses
B, T = len(LENGTHS), max(LENGTHS)
mask = torch.tensor([[t < n for t in range(T)] for n in LENGTHS]).long()


def noise(scale):
    return scale * torch.randn(B, T, dtype=torch.float64)


logp = -1.2 - noise(0.6).abs()
old = logp + noise(0.4)
ref = logp + noise(0.5)
entropy = 0.2 + noise(0.9).abs()
ratio = torch.exp(noise(0.3)).clamp(max=1.5)
advantage = torch.tensor([1.3, -0.7, 0.0, 0.4, -1.6, 0.9], dtype=torch.float64)


class Accelerator:
    num_processes = 1

    def reduce(self, x, reduction="sum"):
        return x

    gather = pad_across_processes = gather_for_metrics = lambda self, x, **_: x


def trainer(loss_type, level="token", low=0.2, high=0.2, delta=None, beta=0.0, unbiased=False,
            top=1.0, bonus=0.0, vllm=False):
    t = GRPOTrainer.__new__(GRPOTrainer)
    t.args = SimpleNamespace(delta=delta, use_bias_correction_kl=unbiased, sapo_temperature_pos=1.0,
                             sapo_temperature_neg=1.05, steps_per_generation=1)
    t.accelerator = Accelerator()
    t.model = SimpleNamespace(training=True)
    t._metrics = {"train": defaultdict(list)}
    t.loss_type, t.importance_sampling_level = loss_type, level
    t.epsilon_low, t.epsilon_high, t.beta = low, high, beta
    t.top_entropy_quantile, t.off_policy_mask_threshold = top, None
    t.aux_loss_enabled = t.use_adaptive_entropy = False
    t._entropy_bonus_enabled, t.entropy_coef = bonus != 0, bonus
    t.accelerator.sync_gradients = False
    t.use_vllm = t.vllm_importance_sampling_correction = vllm
    t.max_completion_length, t.current_gradient_accumulation_steps = LIMIT, 1
    return t


def case(name, options="", **settings):
    t = trainer(**settings)
    x = logp.clone().requires_grad_()
    t._get_per_token_logps_and_entropies = lambda *a, **k: (x, entropy, None)
    ids = torch.zeros(B, T, dtype=torch.long)
    loss = t._compute_loss(None, {
        "prompt_ids": ids[:, :1], "prompt_mask": torch.ones(B, 1, dtype=torch.long),
        "completion_ids": ids, "completion_mask": mask, "advantages": advantage,
        "old_per_token_logps": old, "ref_per_token_logps": ref, "importance_sampling_ratio": ratio,
        "num_items_in_batch": mask.sum()})
    loss.backward()
    slopes = x.grad[mask.bool()].tolist()
    print("case", name, options.replace(" ", ",") or "-", repr(loss.item()), *map(repr, slopes))


print(f"# trl {trl.__version__}, torch {torch.__version__.split('+')[0]}; made by make-trl.py")
print("limit", LIMIT)
for b in range(B):
    print("response", LENGTHS[b], repr(advantage[b].item()))
    for t in range(LENGTHS[b]):
        print("token", *(repr(a[b, t].item()) for a in (logp, old, ref, entropy, ratio)))

K3, UNBIASED = dict(beta=0.04), dict(beta=0.04, unbiased=True)
case("grpo", loss_type="grpo", **K3)
case("grpo", "kl=k3-unbiased", loss_type="grpo", **UNBIASED)
case("grpo", "beta=0", loss_type="grpo")
case("grpo", "beta=0 clip-low=0.1 clip-high=0.3 clip-dual=1.5", loss_type="grpo", low=0.1, high=0.3, delta=1.5)
case("dapo", loss_type="dapo", high=0.28)
case("dapo", "kl=k3-unbiased beta=0.04", loss_type="dapo", high=0.28, **UNBIASED)
case("dapo", "top-entropy=0.23", loss_type="dapo", high=0.28, top=0.23)
case("dapo", "top-entropy=0.72 beta=0.04", loss_type="dapo", high=0.28, top=0.72, **K3)
case("dapo", "entropy-bonus=0.3", loss_type="dapo", high=0.28, bonus=0.3)
case("dapo", "tis", loss_type="dapo", high=0.28, vllm=True)
case("dapo", "tis beta=0.04", loss_type="dapo", high=0.28, vllm=True, **K3)
case("dr-grpo", loss_type="dr_grpo")
case("dr-grpo", "beta=0.04", loss_type="dr_grpo", **K3)
case("gspo", loss_type="grpo", level="sequence", low=3e-4, high=4e-4)
case("gspo", "clip-low=0.1 clip-high=0.1", loss_type="grpo", level="sequence", low=0.1, high=0.1)
case("gspo", "clip-low=0.1 clip-high=0.1 beta=0.04 tis", loss_type="grpo", level="sequence", low=0.1, high=0.1, vllm=True,
     **K3)
case("cispo", loss_type="cispo", high=5.0)
case("cispo", "clip-high=1.1", loss_type="cispo", high=1.1)
case("cispo", "clip-high=1.1 kl=k3-unbiased beta=0.04", loss_type="cispo", high=1.1, **UNBIASED)
case("sapo", loss_type="sapo")
case("sapo", "beta=0.04", loss_type="sapo", **K3)
print("end")
