"""What detectors of class 0 and 1 add to a run: processor time of an answer, without and with them.

Without: the answer, K samples, attention maps, states and the logit lens, and an answer's share of
fitting the probes and stress tests that a run has anyway. With: the numbers kept of the same passes
(class 1), the signals made of them, and an answer's share of fitting the detectors.
The two ways in turn, and processor time instead of the clock's, so that other load tells little:

    python -m benchmarks.detectors [--repeats 40] [--k 10] [--answers 1000]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import torch
from tabulate import tabulate
from transformers import AutoTokenizer, PreTrainedModel

from benchmarks.capture import CHECKPOINTS, MID, TINY, mid, tiny
from metrics import signals
from metrics.fitting.out_of_fold import Samples
from metrics.maps.attention_features import N_FEATURES
from metrics.record.channels import OUTSIDE, ImageMaps, Perturbed, ProbeOpinion, PromptState
from metrics.record.channels import Samples as Drawn
from metrics.record.observation import Absent, Observation
from metrics.second_pass.detectors import DETECTORS
from metrics.signals import BY_NAME, SIGNALS
from metrics.signals.recording import record_of
from metrics.states.probe_panel import probe_panel
from metrics.states.stress_tests import attention_feature_scores, attention_mlp_scores
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture import decode_state as decode
from vrp_tasks.capture import generate as capture
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.channels import channels_of, states_of
from vrp_tasks.capture.extras import further_of
from vrp_tasks.capture.lens import LogitLens
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.token_notes import TokenNotes
from vrp_tasks.capture.visual_tokens import VisualTokens
from vrp_tasks.families import family_of

IMAGES = 3  # questions of an image, where detectors are fitted
GOAL = 0.05


class Plain(TokenNotes):
    """Entropies and the two largest probabilities: no function of a step that detectors add."""

    @staticmethod
    def figures(logprobs: torch.Tensor) -> dict[str, torch.Tensor]:
        """What a run needs anyway."""
        entropy = -torch.where(logprobs > -torch.inf, logprobs.exp() * logprobs, 0.0).sum(dim=-1)
        same = ("entropies", "margins", "self_certainty", "collision", "top_entropies")
        return dict.fromkeys(same, entropy) | {"top": logprobs.topk(2, dim=-1).values}


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Captures without the numbers of class 1."""

    def blind(*args: object, is_image: object = None, **kwargs: object) -> Recorder:
        return Recorder(*args, is_image=None, **kwargs)  # type: ignore[arg-type]

    with (
        mock.patch.object(capture, "Recorder", blind),
        mock.patch.object(decode, "TokenNotes", Plain),
    ):
        yield


class Ways:
    """One prompt answered without what detectors need, and with it."""

    def __init__(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        k: int,
        tokens: int,
        tokenizer: object = None,
    ) -> None:
        eos = model.generation_config.eos_token_id or 1
        options = {
            "do_sample": False,
            "max_new_tokens": tokens + 1,
            "min_new_tokens": tokens,
            "eos_token_id": eos,
            "forced_eos_token_id": eos,
        }
        self.settings, self.asked = CaptureSettings(k=k), itertools.count()
        self.answer = partial(
            probed_generate, model, family_of(model.config), inputs, identities=["benchmark"],
            settings=self.settings, subjects=Subjects(["?"], [[]], tokenizer), **options,
        )  # fmt: skip

    def without(self) -> Captured:
        """As little as maps, states and samples need."""
        with nothing_kept():
            return self.answer(observers=(LogitLens, VisualTokens))[1][0]

    def kept(self) -> Captured:
        """With the numbers of class 1."""
        return self.answer()[1][0]

    def observed(self) -> Observation:
        """What signals are made of."""
        item = self.kept()
        channels, absent = channels_of(item)
        states, no_states = states_of(item, dtype="float16")
        # no two questions have the same samples, so nothing is remembered of the last one
        question = next(self.asked)
        texts = [f"{question} {own}" for own in item.sampled_tokens]
        further, unasked = further_of(item, self.settings)
        channels |= further | states | {Drawn.name: Drawn.of(texts, texts, str(item.tokens))}
        later = Absent("later", "not offered")
        absent |= no_states | unasked
        absent |= {own.name: later for own in (*OUTSIDE, Perturbed, ProbeOpinion)}
        return Observation(
            task="t", split="test", doc_id="0", group="g", kind="all", prompt="?", answer="a",
            target=None, score=1.0, correct=1, normal_answer=str(item.tokens), channels=channels,
            absent=absent,
        )  # fmt: skip


def seconds(way: Callable[[], object]) -> float:
    """Of processor time."""
    began = time.process_time()
    way()
    return time.process_time() - began


def in_turn(ways: list[Callable[[], object]], repeats: int) -> list[tuple[float, ...]]:
    """Seconds of each way in each round; a first round warms up."""
    rounds = [[seconds(way) for way in ways] for _ in range(repeats + 1)]
    return list(zip(*rounds[1:], strict=True))


@contextmanager
def standard_signals_only() -> Iterator[None]:
    """Records have the method's own signals, none of the published detectors."""
    own = tuple(s for s in SIGNALS if s.source.startswith("method"))
    with mock.patch.object(signals, "SIGNALS", own):
        yield


def record_without(observation: Observation) -> object:
    """The record of an answer without detectors."""
    with standard_signals_only():
        return record_of(observation, shard=None, row=None)


def fitted(observation: Observation, answers: int) -> float:
    """Seconds an answer that the fitted detectors of class 0 and 1 take at so many answers."""
    rng = np.random.default_rng(0)
    samples = Samples.of(
        rng.random(answers) < 0.8, np.arange(answers) // IMAGES, targets=["yes"] * answers
    )
    taken = 0.0
    for detector in DETECTORS:
        declared = BY_NAME[detector.signals[0]]
        there = all(channel.name in observation.channels for channel, _, _ in detector.reads)
        if declared.cost_class > 1 or not there:
            continue
        shapes = [
            np.shape(reduce(getattr(observation.channels[channel.name], field)))
            for channel, field, reduce in detector.reads
        ]
        inputs = [rng.random((answers, *shape), dtype=np.float32) for shape in shapes]
        taken += seconds(partial(detector.fit, inputs, samples, rng))
    return taken / answers


def probed(observation: Observation, answers: int) -> float:
    """Seconds an answer that probes and stress tests take at so many answers."""
    rng = np.random.default_rng(0)
    correct, groups = rng.random(answers) < 0.8, np.arange(answers) // IMAGES
    shape = observation.channels[PromptState.name].arrays()["by_layer"].shape
    positions = ("last_prompt", "last_answer", "mean_answer")
    states = {name: rng.random((answers, *shape), dtype=np.float32) for name in positions}
    grid = observation.channels[ImageMaps.name].arrays()["by_layer"].shape
    maps = list(rng.random((answers, *grid), dtype=np.float32))
    features = rng.random((answers, N_FEATURES))
    ways: list[Callable[[], object]] = [
        partial(probe_panel, states, correct, groups.tolist(), rng=rng),
        partial(attention_feature_scores, features, correct, groups.tolist(), rng=rng),
        partial(attention_mlp_scores, maps, correct, groups.tolist(), rng=rng),
    ]
    return sum(map(seconds, ways)) / answers


def row_of(name: str, k: int, tokens: int, repeats: int, answers: int) -> dict[str, object]:
    """One model's figures, milliseconds an answer."""
    model, inputs = mid() if name == MID else tiny(name)
    tokenizer = None if name == MID else AutoTokenizer.from_pretrained(CHECKPOINTS / name)
    with torch.inference_mode(), capturing_attention(model):
        ways = Ways(model, inputs, k, tokens, tokenizer)
        off, on = in_turn([ways.without, ways.kept], repeats)
        observations = [ways.observed() for _ in range(repeats + 1)]
    seen, (first, second) = observations[0], itertools.tee(observations)
    bare, full = in_turn(
        [
            lambda: record_without(next(first)),
            lambda: record_of(next(second), shard=None, row=None),
        ],
        repeats,
    )
    answered, fits = statistics.median(off) + statistics.median(bare), probed(seen, answers)
    standard = answered + fits
    added = {
        "kept (class 1)": statistics.median(b - a for a, b in zip(off, on, strict=True)),
        "signals": statistics.median(b - a for a, b in zip(bare, full, strict=True)),
        "fitted": fitted(seen, answers),
    }
    shares = {f"{part} %": 100 * own / standard for part, own in added.items()}
    return {
        "model": name,
        "answered (ms)": 1e3 * answered,
        "probes (ms)": 1e3 * fits,
        **shares,
        "all %": sum(shares.values()),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=2, help="answer length, forced")
    parser.add_argument("--answers", type=int, default=1000, help="that detectors are fitted on")
    parser.add_argument("--models", nargs="+", default=[*TINY, MID], choices=[*TINY, MID])
    given = parser.parse_args()
    rows = [
        row_of(name, given.k, given.tokens, given.repeats, given.answers) for name in given.models
    ]
    sys.stdout.write(
        f"Processor time of an answer, K = {given.k}, {given.tokens} answer tokens, medians of "
        f"{given.repeats} rounds; fitted on {given.answers} answers; goal {100 * GOAL:.0f} %\n"
    )
    sys.stdout.write(tabulate(rows, headers="keys", floatfmt=".3g", tablefmt="github") + "\n")


if __name__ == "__main__":
    main()
