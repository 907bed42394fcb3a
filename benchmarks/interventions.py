"""What a robustness curve costs: twelve doses beside one plain `generate`, and done naively.

The naive way is one `generate` per dose under a hook. Both ways must give the same answers. Run on
an idle machine:

    python -m benchmarks.interventions [--repeats 5] [--layers 9 10 11]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch
from tabulate import tabulate
from transformers import PreTrainedModel

from benchmarks.capture import MID, TINY, mid, tiny
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import Family, family_of
from vrp_tasks.interventions.ablation import ablated_units, n_units
from vrp_tasks.interventions.branches import branch_answers, branched_generate
from vrp_tasks.interventions.clean_pass import CleanPass

DOSES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75)


class Ways:
    """The same curve of residual ablation at one layer, made in three ways."""

    def __init__(
        self, model: PreTrainedModel, inputs: dict[str, torch.Tensor], *, layer: int, tokens: int
    ) -> None:
        self.model, self.inputs, self.layer = model, inputs, layer
        self.family: Family = family_of(model.config)
        order = torch.randperm(
            n_units(model, self.family, layer, "residual"),
            generator=torch.Generator().manual_seed(0),
        )
        self.units = torch.stack([order < round(dose * len(order)) for dose in DOSES])
        eos = model.generation_config.eos_token_id or 1
        self.options = {  # an answer of so many tokens, then end-of-sequence
            "do_sample": False,
            "max_new_tokens": tokens + 1,
            "min_new_tokens": tokens,
            "eos_token_id": eos,
            "forced_eos_token_id": eos,
        }
        self.n_prompt = inputs["input_ids"].shape[1]

    def plain(self) -> list[list[int]]:
        """One clean answer."""
        return [self._generated()]

    def ours(self) -> list[list[int]]:
        """All doses from one prefill, with log-probabilities of the clean answer."""
        start, found = self.layer + 1, []

        def work(clean: CleanPass, answers: list) -> None:
            state = clean.inputs[start].masked_fill(self.units[:, None], 0.0)
            found.extend(branch_answers(clean, start, state, self._ablated, answers))

        with capturing_attention(self.model):
            branched_generate(
                self.model, self.family, self.inputs, work, keep=[start], **self.options
            )
        return [[*answer.tokens, *([answer.ended] if answer.ended else [])] for answer in found]

    def naive(self) -> list[list[int]]:
        """One `generate` per dose."""
        answers = []
        for dose in range(len(DOSES)):
            with self._ablated(torch.tensor([dose])):
                answers.append(self._generated())
        return answers

    def _generated(self) -> list[int]:
        return self.model.generate(**self.inputs, **self.options)[0, self.n_prompt :].tolist()

    def _ablated(self, rows: torch.Tensor) -> object:
        return ablated_units(self.model, self.family, self.layer, "residual", self.units[rows])


def measure(ways: Ways, repeats: int) -> tuple[dict[str, float], bool]:
    """Least seconds of each way, measured in turn, and whether ours and naive agree."""
    named: dict[str, Callable[[], list[list[int]]]] = {
        "plain": ways.plain,
        "ours": ways.ours,
        "naive": ways.naive,
    }
    seconds: dict[str, list[float]] = {name: [] for name in named}
    answers = {}
    for repeat in range(repeats + 1):
        for name, way in named.items():
            began = time.perf_counter()
            answers[name] = way()
            if repeat:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
        sys.stderr.write(f"\r{repeat}/{repeats} ")
    sys.stderr.write("\n")
    return {name: min(own) for name, own in seconds.items()}, answers["ours"] == answers["naive"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=2, help="answer length, forced")
    parser.add_argument("--layers", type=int, nargs="+", help="default: the last quarter")
    parser.add_argument("--models", nargs="+", default=[MID], choices=[*TINY, MID])
    arguments = parser.parse_args()
    rows = []
    for name in arguments.models:
        model, inputs = mid() if name == MID else tiny(name)
        n_layers = len(family_of(model.config).decoder(model).layers)
        for layer in arguments.layers or range(n_layers - max(1, n_layers // 4), n_layers):
            with torch.inference_mode():
                ways = Ways(model, inputs, layer=layer, tokens=arguments.tokens)
                seconds, same = measure(ways, arguments.repeats)
            rows.append(
                {
                    "model": name,
                    "layer": f"{layer} of 0 … {n_layers - 1}",
                    **{f"{way} (s)": value for way, value in seconds.items()},
                    "ours / plain": seconds["ours"] / seconds["plain"],
                    "naive / ours": seconds["naive"] / seconds["ours"],
                    "same answers": "yes" if same else "NO",
                }
            )
    sys.stdout.write(f"{len(DOSES)} doses, {arguments.tokens} answer tokens, least of ")
    sys.stdout.write(f"{arguments.repeats} runs, {torch.get_num_threads()} thread(s)\n")
    sys.stdout.write(tabulate(rows, headers="keys", floatfmt=".3g", tablefmt="github") + "\n")


if __name__ == "__main__":
    main()
