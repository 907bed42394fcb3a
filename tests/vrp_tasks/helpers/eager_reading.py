"""What is seen of one answer by stock transformers alone: eager, float64, one prompt at a time.

Attention, states and logits are the model's own outputs; sampling is written out. Nothing of the
capture is used.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from tests.vrp_tasks.helpers.plain_signals import Probe, Seen


@dataclass(frozen=True)
class Sampling:
    """How answers are sampled."""

    k: int
    seed: int
    temperature: float
    top_p: float


class Reader:
    """A float64 copy of a model that says all it sees.

    Parameters
    ----------
    model : PreTrainedModel
        Copied; the original keeps its attention.
    tokenizer
        Its own.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = copy.deepcopy(model).double().eval()
        self.model.set_attn_implementation("eager")
        self.tokenizer = tokenizer

    def generate(self, inputs: dict[str, torch.Tensor], **options: Any) -> Any:
        """Greedy, with every output there is."""
        doubled = {n: v.double() if v.is_floating_point() else v for n, v in inputs.items()}
        with torch.no_grad():
            return self.model.generate(
                **doubled,
                do_sample=False,
                return_dict_in_generate=True,
                output_attentions=True,
                output_hidden_states=True,
                output_logits=True,
                **options,
            )

    def answer_tokens(self, output: Any, inputs: dict[str, torch.Tensor], eos: Any) -> list[int]:
        """Of a prompt alone: what came before the end."""
        tokens = output.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        ends = [i for i, token in enumerate(tokens) if token in _ids(eos)]
        return tokens[: ends[0]] if ends else tokens

    def sample(
        self, inputs: dict, sampling: Sampling, identity: str, *, eos: Any, **options: Any
    ) -> list[list[int]]:
        """The K sampled answers of one prompt, each by a generation of its own."""
        found = []
        for index in range(sampling.k):
            drawn = _Drawn(f"{sampling.seed}/{identity}/{index}", sampling)
            output = self.generate(inputs, logits_processor=LogitsProcessorList([drawn]), **options)
            found.append(self.answer_tokens(output, inputs, eos))
        return found

    def texts(self, answers: list[list[int]]) -> list[str]:
        return [self.tokenizer.decode(a, skip_special_tokens=True).strip() for a in answers]

    def seen(
        self,
        inputs: dict[str, torch.Tensor],
        *,
        grid: tuple[int, int],
        targets: list[str],
        identity: str,
        sampling: Sampling,
        normalize: Callable[[str], str],
        top_heads: int,
        sink_ratio: float,
        probe: Probe,
        eos: Any,
        **options: Any,
    ) -> tuple[Seen, list[list[int]]]:
        """All that the signals are made of, and the sampled tokens."""
        output = self.generate(inputs, **options)
        tokens = self.answer_tokens(output, inputs, eos)
        ids = inputs["input_ids"][0]
        image = (ids == self.model.config.image_token_id).nonzero().flatten()
        prompt_states = [layer[0] for layer in output.hidden_states[0]]
        sampled = self.sample(inputs, sampling, identity, eos=eos, **options)
        decoder = self.model.model.language_model
        with torch.no_grad():
            # transformers gives the last layer's state after the final norm
            normed = [decoder.norm(s[-1]) for s in prompt_states[:-1]] + [prompt_states[-1][-1]]
            lens = self.model.lm_head(torch.stack(normed))
        seen = Seen(
            grid=grid,
            rows=_rows(output, image, len(tokens)),
            sinks=[_sinks(states[image], sink_ratio) for states in prompt_states[:-1]],
            logits=[output.logits[step][0].tolist() for step in range(len(tokens))],
            tokens=tokens,
            lens=lens.tolist(),
            truth=self.first_tokens(targets),
            contributions=self._contributions(output, prompt_states, tokens[0]),
            top_heads=top_heads,
            samples=[normalize(text) for text in self.texts(sampled)],
            answer=normalize(self.texts([tokens])[0]),
            state=[states[-1].tolist() for states in prompt_states[:-1]],
            probe=probe,
        )
        return seen, sampled

    def first_tokens(self, targets: list[str]) -> list[int]:
        """First visible token of the targets, as they are, lower, upper, capital; with a space."""
        found = set()
        for text in (target.strip() for target in targets):
            for form in (text, text.lower(), text.upper(), text.capitalize()):
                for variant in (form, " " + form):
                    ids = self.tokenizer.encode(variant, add_special_tokens=False)
                    found.add(next(t for t in ids if self.tokenizer.decode([t]).strip()))
        return sorted(found)

    def _contributions(
        self, output: Any, prompt_states: list[torch.Tensor], token: int
    ) -> list[list[float]]:
        """What each head writes at the last prompt token, read in the direction of ``token``.

        Up to the final norm's scale, which is one positive number for all heads.
        """
        decoder = self.model.model.language_model
        found = []
        with torch.no_grad():
            gain = decoder.norm(torch.ones_like(prompt_states[0][-1]))
            direction = self.model.lm_head.weight[token] * gain
            for layer, states, attention in zip(
                decoder.layers, prompt_states[:-1], output.attentions[0], strict=True
            ):
                block = layer.self_attn
                values = block.v_proj(layer.input_layernorm(states))  # (T, n_kv · head_dim)
                n_heads = attention.shape[1]
                width = block.o_proj.weight.shape[1] // n_heads
                shared = n_heads // (values.shape[1] // width)
                own = []
                for head in range(n_heads):
                    kv = head // shared
                    mixed = attention[0, head, -1] @ values[:, kv * width : (kv + 1) * width]
                    written = block.o_proj.weight[:, head * width : (head + 1) * width] @ mixed
                    own.append(float(written @ direction))
                found.append(own)
        return found


class _Drawn(LogitsProcessor):
    """Puts all weight on the token drawn: temperature, nucleus, inverse of the distribution."""

    def __init__(self, name: str, sampling: Sampling) -> None:
        digest = hashlib.sha256(name.encode()).digest()
        words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
        self.uniform = np.random.default_rng(words)
        self.sampling = sampling

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        logits = scores[0].double().numpy() / self.sampling.temperature
        p = np.exp(logits - logits.max())
        p /= p.sum()
        order = np.argsort(-p, kind="stable")
        before = np.concatenate([[0.0], p[order].cumsum()[:-1]])
        kept = np.zeros(len(p))
        nucleus = order[before < self.sampling.top_p]  # the fewest that reach top_p together
        kept[nucleus] = p[nucleus]
        level = self.uniform.random() * kept.sum()
        token = int(np.flatnonzero(kept.cumsum() > level)[0])
        out = torch.full_like(scores, -torch.inf)
        out[0, token] = 0.0
        return out


def _ids(eos: Any) -> list[int]:
    return list(eos) if isinstance(eos, (list, tuple)) else [eos]


def _rows(output: Any, image: torch.Tensor, n_tokens: int) -> list:
    """[layer][head][position][cell] of the steps that predicted a token of the answer."""
    steps = output.attentions[:n_tokens]
    return [
        [
            [step[layer][0, head, -1][image].tolist() for step in steps]
            for head in range(steps[0][layer].shape[1])
        ]
        for layer in range(len(steps[0]))
    ]


def _sinks(states: torch.Tensor, ratio: float) -> list[bool]:
    """Tokens of which one dimension exceeds ``ratio`` times the root mean square of all."""
    return [float(h.abs().max()) > ratio * float((h**2).mean()) ** 0.5 for h in states]
