"""Logit lens at the last prompt token: what each layer already says about the first answer token.

Margins per layer, the shares of attention and MLP in the last of them, and the heads that add most
to it. All from the states and outputs of one position.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.observer import CaptureContext, Observer
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.weights import UNREADABLE, plain_weight
from vrp_tasks.families.parts import misses


class LogitLens(Observer):
    """Adds to ``extra``, input side first; ``t`` is the given answer's first token.

    - ``answer_margin``, (n_layers + 1,): logit of t less the largest other logit, of each layer's
      state after the final norm (method §4; without it the unembedding reads another space).
    - ``truth_margin``, (n_layers + 1,), oracle: the same for the true answer's first token, the
      best of its case and leading-space variants, against every other token.
    - ``margin_from_attention``, ``margin_from_mlp``, (n_layers,): what each block adds to the last
      margin by direct logit attribution, the final norm's scale frozen at the last state; with the
      embedding's own part they sum to the last ``answer_margin``.
    - ``top_heads_map``, (S,): the last prompt token's attention to the image, mean over the heads
      that add most to the logit of t; sums to 1.

    The last two read rows of the unembedding; where it is quantised they are missing. So are the
    shares where attention and MLP do not sum to what a layer adds (norms or gates behind them), and
    the heads where something stands between them and the stream.
    """

    def __init__(self, context: CaptureContext) -> None:
        super().__init__(context)
        self.blocks = context.family.blocks(context.model) or []
        n_layers = len(self.blocks)
        self.attention: list[torch.Tensor | None] = [None] * n_layers
        self.mlp: list[torch.Tensor | None] = [None] * n_layers
        self.heads: list[torch.Tensor | None] = [None] * n_layers
        self.reading = True

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hook attention and MLP of each layer."""
        with ExitStack() as stack:
            for index, block in enumerate(self.blocks):
                hooks = [
                    block.attention.register_forward_hook(self._keep(self.attention, index)),
                    block.mlp.register_forward_hook(self._keep(self.mlp, index)),
                ]
                if block.projection is not None:
                    hook = block.projection.register_forward_pre_hook(self._keep_input(index))
                    hooks.append(hook)
                for hook in hooks:
                    stack.callback(hook.remove)
            yield

    def after_prefill(self, outputs: Any) -> None:
        """The lens reads the last prompt token only."""
        self.reading = False

    def _keep(self, where: list[torch.Tensor | None], index: int) -> Any:
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
            if self.reading:
                states = output[0] if isinstance(output, tuple) else output
                rows = len(self.context.input_ids)  # experts may return positions in one row
                where[index] = states.reshape(rows, -1, states.shape[-1])[:, -1]

        return hook

    def _keep_input(self, index: int) -> Any:
        def hook(_module: nn.Module, args: tuple[Any, ...]) -> None:
            if self.reading:
                self.heads[index] = args[0][:, -1]

        return hook

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Margins, shares and heads of one prompt."""
        if not item.tokens:
            item.missing["lens"] = "the answer is empty"
            return
        states = self.context.recorder.last_prompt[:, index]
        logits = self._lens(states)
        token = item.tokens[0]
        margin, rival = _margin(logits, [token])
        item.extra["answer_margin"] = margin.cpu().numpy()
        true_tokens = first_tokens(self.context.tokenizer, self.context.targets[index])
        if true_tokens:
            item.extra["truth_margin"] = _margin(logits, true_tokens)[0].cpu().numpy()
        else:
            item.missing["truth"] = "no reference answer"
        weight = plain_weight(self.context.model.get_output_embeddings())
        if weight is None:
            item.missing["attribution"] = item.missing["top_heads"] = UNREADABLE
            return
        lacks = self.context.family.lacks
        if (why := lacks.get("attribution") or self._unsummed(index)) is None:
            self._attribute(item, index, states[-1], (weight[token] - weight[rival]).float())
        else:
            item.missing["attribution"] = why
        if (why := lacks.get("top_heads") or self._unwritten(index)) is None:
            self._choose_heads(item, index, states[-1], weight[token].float())
        else:
            item.missing["top_heads"] = why

    def _unsummed(self, index: int) -> str | None:
        """Why the parts of this prompt are not what the layers added, or None."""
        if not self.blocks:
            return "what each layer adds to the stream is not known"
        states = self.context.recorder.last_prompt[:, index]
        kind = self.context.model.dtype
        for layer, parts in enumerate(zip(_all(self.attention), _all(self.mlp), strict=True)):
            made = sum(part[index].float().to(states.device) for part in parts)
            after = states[layer + 1]
            wrong = float(misses(after - states[layer], made, after, kind))  # type: ignore[arg-type]
            if not wrong <= 1:
                return (
                    f"attention and MLP of layer {layer} do not sum to what it adds "
                    f"({wrong:.2g} times what rounding explains)"
                )
        return None

    def _unwritten(self, index: int) -> str | None:
        """Why the heads' parts in the stream are not known, or None."""
        recorder = self.context.recorder
        if not recorder.attending:
            return "no layer of this model attends with a softmax"
        blocks = [self.blocks[layer] for layer in recorder.attending] if self.blocks else []
        if not blocks or any(block.projection is None for block in blocks):
            return "the heads' outputs do not reach the stream through one linear layer"
        return recorder.misfit_of(index)

    def _lens(self, states: torch.Tensor) -> torch.Tensor:
        """Float32 logits (n_layers + 1, n_vocabulary) of states before the final norm."""
        model = self.context.model
        norm, head = self.context.family.decoder(model).norm, model.get_output_embeddings()
        normed = norm(states.to(norm.weight.device, norm.weight.dtype))
        logits: torch.Tensor = head(normed.to(next(head.parameters(), normed).device)).float()
        return logits

    def _reading_direction(self, last: torch.Tensor, token_row: torch.Tensor) -> torch.Tensor:
        """Residual-stream direction that reads ``token_row`` through the frozen final norm."""
        norm = self.context.family.decoder(self.context.model).norm
        epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
        scale = (last.square().mean() + epsilon).rsqrt()
        gain = self.context.family.final_norm_gain(self.context.model).float()
        return token_row.to(last.device) * gain.to(last.device) * scale

    def _attribute(
        self, item: Captured, index: int, last: torch.Tensor, token_row: torch.Tensor
    ) -> None:
        direction = self._reading_direction(last, token_row)
        for name, parts in (("attention", self.attention), ("mlp", self.mlp)):
            added = [part[index].float().to(last.device) @ direction for part in _all(parts)]
            item.extra[f"margin_from_{name}"] = torch.stack(added).cpu().numpy()

    def _choose_heads(
        self, item: Captured, index: int, last: torch.Tensor, token_row: torch.Tensor
    ) -> None:
        direction = self._reading_direction(last, token_row)
        added = []
        recorder = self.context.recorder
        for layer, heads in zip(recorder.attending, recorder.prompt_heads, strict=True):
            values, projection = self.heads[layer], self.blocks[layer].projection
            assert values is not None
            assert projection is not None
            width = values.shape[-1] // heads.shape[1]
            parts = _per_head(projection, values[index], width, direction)
            added.append(parts.to(last.device))
        contribution = torch.stack(added)
        rows = torch.stack([row[index].to(last.device) for row in recorder.prompt_heads])
        config, ids = self.context.model.config, self.context.input_ids[index]
        on_image = rows[:, :, self.context.family.image_tokens(config, ids).to(rows.device)]
        count = min(self.context.settings.top_heads, contribution.numel())
        best = contribution.flatten().topk(count).indices
        chosen = on_image.flatten(0, 1)[best].mean(dim=0)
        if chosen.numel() and bool(chosen.sum() > 0):
            item.extra["top_heads_map"] = (chosen / chosen.sum()).cpu().numpy()


def _per_head(
    projection: nn.Module, values: torch.Tensor, width: int, direction: torch.Tensor
) -> torch.Tensor:
    """What each head adds along ``direction`` through the output projection, (n_heads,)."""
    weight = plain_weight(projection)
    if weight is not None:
        reading = weight.float().T @ direction.to(weight.device)
        return (values.float() * reading).reshape(-1, width).sum(dim=-1)
    # a quantised one is asked for one head at a time, less what it gives without any
    n_heads = len(values) // width
    alone = torch.eye(n_heads, dtype=values.dtype, device=values.device)
    alone = alone.repeat_interleave(width, dim=1) * values
    outputs = projection(torch.cat([alone, torch.zeros_like(alone[:1])])).float()
    found: torch.Tensor = (outputs[:-1] - outputs[-1:]) @ direction.to(outputs.device)
    return found


def first_tokens(tokenizer: Any, answers: Any) -> list[int]:
    """First token of each answer, over its case and leading-space variants; sorted, no repeats."""
    if tokenizer is None:
        return []
    found = set()
    for answer in answers:
        text = answer.strip()
        for form in {text, text.lower(), text.capitalize(), text.upper()}:
            for variant in (form, f" {form}"):
                ids = [
                    token
                    for token in tokenizer.encode(variant, add_special_tokens=False)
                    if tokenizer.decode([token]).strip()  # a lone space begins every answer
                ]
                found |= set(ids[:1])
    return sorted(found)


def _margin(logits: torch.Tensor, tokens: list[int]) -> tuple[torch.Tensor, int]:
    """Best of ``tokens`` less the best other per layer, and that other token at the last layer."""
    others = logits.clone()
    others[:, tokens] = -torch.inf
    rival = others.max(dim=1)
    return logits[:, tokens].amax(dim=1) - rival.values, int(rival.indices[-1])


def _all(parts: list[torch.Tensor | None]) -> list[torch.Tensor]:
    return [part for part in parts if part is not None]
