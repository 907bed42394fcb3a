"""Models whose answer is the sign of one residual dimension, or of many copies of it."""

from __future__ import annotations

import torch
from datasets import Dataset
from torch import nn

from vrp_tasks.tasks.shapes.docs import all_kinds

BOTTLENECK, COPIED = 80, 124  # dimensions that are positive for about 70 % of the questions
N_COPIES = 64
YES, NO = "yes", "no"


def true_questions(seed: Dataset) -> Dataset:
    """Questions whose answer is yes: an answer is right exactly if it is "yes"."""
    split = all_kinds(seed)
    return split.select([i for i, answer in enumerate(split["answer"]) if answer == YES])


@torch.no_grad()
def plant_bottleneck(model, tokenizer):
    """The answer is yes where dimension `BOTTLENECK` of the last state is positive, else no."""
    _read_only(model, tokenizer, [BOTTLENECK])


@torch.no_grad()
def plant_copies(model, tokenizer):
    """Dimension `COPIED` is written `N_COPIES` times more, and the answer is read from all."""
    copies = torch.arange(N_COPIES)
    decoder, projector = model.model.language_model, model.model.multi_modal_projector.linear_2
    decoder.embed_tokens.weight[:, copies] = decoder.embed_tokens.weight[:, [COPIED]]
    projector.bias[copies] = projector.bias[COPIED].clone()
    writers = [projector, *(layer.self_attn.o_proj for layer in decoder.layers)]
    for writer in (*writers, *(layer.mlp.down_proj for layer in decoder.layers)):
        writer.weight[copies] = writer.weight[COPIED].clone()
    _read_only(model, tokenizer, [*copies.tolist(), COPIED])


def _read_only(model, tokenizer, dimensions):
    head = torch.zeros_like(model.lm_head.weight)
    gain = 1.0 / model.model.language_model.norm.weight[dimensions]  # the norm's own is undone
    yes, no = (tokenizer.encode(text, add_special_tokens=False) for text in (YES, NO))
    head[yes[0], dimensions], head[no[0], dimensions] = gain, -gain
    model.lm_head.weight = nn.Parameter(head)  # no longer the embedding
