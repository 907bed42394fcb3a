"""Time and memory of a long run: a stub model through the real session, run folder and leaderboard.

Run as ``python -m benchmarks.long_run --samples 50000``. Answers, channels and images are drawn, so
that what is measured is ours: labels, signals, the run folder, what is fitted on labels, the card,
and ``vrp-leaderboard build``. Each stage has a line: seconds, records per second, memory (RSS)
at its end less that at the start, and the peak. A process of its own builds.

Limits: 500 records/s, 300 MB of growth while answers come, 120 s of scoring for 50,000 samples,
2 GB for the build.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from loguru import logger
from PIL import Image

from metrics.record.channels import (
    Channel,
    FirstTwo,
    ImageMass,
    LensReading,
    PromptState,
    TokenEntropies,
    TokenScores,
)
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.attach.plan import TaskPlan
from vrp_tasks.attach.results import reliability_results
from vrp_tasks.run.looking import Looked
from vrp_tasks.run.session import Session
from vrp_tasks.settings.options import RunOptions
from vrp_tasks.settings.run_settings import RunSettings

TASK = "vrp_long"
SLICE = 64
K = 10
ANSWERS = ("yes", "no", "two", "red")
KINDS = ("existence", "counting", "attribute", "relation")
QUESTIONS_PER_IMAGE = 6
N_LAYERS, D_MODEL = 6, 96
LIMIT_RATE, LIMIT_GROWTH, LIMIT_SCORING, LIMIT_BUILD = 500.0, 0.3, 120.0, 2.0
NO_MAPS = Absent("the stub has no attention", "not offered")


def main() -> int:
    """Measure and compare with the limits; exit code 1 beyond them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--states", type=int, default=5_000, help="samples whose states are kept")
    parser.add_argument("--no-build", action="store_true", help="leave the leaderboard out")
    asked = parser.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory() as name:
        output = Path(name)
        beyond = _run(output, asked.samples, asked.states)
        if not asked.no_build:
            beyond |= _build(output)
    return int(beyond)


def _run(output: Path, n: int, n_states: int) -> bool:
    task = StubTask(n)
    every = frozenset(map(str, range(n)))
    step = max(1, n // max(1, n_states))
    plan = TaskPlan(every, kept=frozenset(map(str, range(0, n, step))))
    access = StubAccess(task.eval_docs)
    session = Session(access, {TASK: task}, {TASK: plan}, output=str(output))
    base = _resident()
    with _measured("answers", n, base) as answers:
        for start in range(0, n, SLICE):
            rows = range(start, min(n, start + SLICE))
            requests = [_request(row) for row in rows]
            docs = [task.eval_docs[row] for row in rows]
            looked = [Looked(doc, task.doc_to_visual(doc)) for doc in docs]
            session.observe(requests, looked, access.observe_rows(rows))
    with _measured("scoring", n, base) as scoring:
        session.card(TASK)
    with _measured("writing", n, base):
        session.finish()
    session.close()
    limit = LIMIT_SCORING * max(1.0, n / 50_000)
    slow = answers["rate"] < LIMIT_RATE or scoring["seconds"] > limit
    return bool(slow or answers["growth"] > LIMIT_GROWTH)


# the peak of this program alone: ru_maxrss keeps that of the process it was started from
_BUILDER = """
import sys
from pathlib import Path
from leaderboard.cli import main
code = main(["build", sys.argv[1], "--no-cache"])
status = Path("/proc/self/status").read_text("utf-8")
peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
Path(sys.argv[2]).write_text(peak, "utf-8")
sys.exit(code)
"""


def _build(output: Path) -> bool:
    began = time.perf_counter()
    said = output / "peak.txt"
    command = [sys.executable, "-c", _BUILDER, str(output), str(said)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    peak = int(said.read_text("utf-8")) / 2**20
    sys.stdout.write(f"build: {time.perf_counter() - began:.1f} s, {peak:.2f} GB peak\n")
    return peak > LIMIT_BUILD


@contextmanager
def _measured(what: str, n: int, base: float) -> Iterator[dict[str, float]]:
    found: dict[str, float] = {}
    began, cpu = time.perf_counter(), time.process_time()
    yield found
    found["seconds"] = time.perf_counter() - began
    cpu = time.process_time() - cpu
    found["rate"] = n / found["seconds"]
    found["growth"] = _resident() - base
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"{what}: {found['seconds']:.1f} s ({cpu:.1f} s cpu), {found['rate']:.0f} records/s, "
        f"{found['growth']:+.2f} GB, peak {peak:.2f} GB\n"
    )
    sys.stdout.flush()


def _resident() -> float:
    """Memory of this process, GB."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def _request(row: int) -> Any:  # noqa: ANN401
    question = f"Is there a red circle to the left of the blue square in picture {row}?"
    return SimpleNamespace(
        args=(question, {}, None, row, TASK, "test"), task_name=TASK, doc_id=row, metadata={}
    )


class _Docs(Sequence[Any]):
    """Documents that are made when they are asked for: a data set of no size."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"id": row, "image": row // QUESTIONS_PER_IMAGE, "answer": ANSWERS[row % 4]}


class StubTask:
    """What a session asks of a task of lmms-eval."""

    VERSION = 0

    def __init__(self, n: int) -> None:
        self.task_docs = self.eval_docs = self.eval_docs_no_media = _Docs(n)
        self.dataset = {"test": self.eval_docs}
        self.config = SimpleNamespace(
            task=TASK, metadata={"vrp": {}}, generation_kwargs={}, dataset_path="stub",
            dataset_name=None, test_split="test", validation_split=None, reasoning_tags=None,
            process_results=None, filter_list=None,
        )  # fmt: skip

    def doc_to_visual(self, doc: Mapping[str, Any]) -> list[Image.Image]:
        """A plain picture, one colour per image of the data set."""
        shade = doc["image"]
        return [Image.new("RGB", (32, 32), (shade % 256, shade // 256 % 256, shade // 65536))]

    def doc_to_target(self, doc: Mapping[str, Any]) -> str:
        """The reference answer."""
        return str(doc["answer"])

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """Exact match."""
        return reliability_results(
            results,
            task=TASK,
            score=lambda answer: float(answer == doc["answer"]),
            normalize=str.lower,
            doc_id=str(doc["id"]),
            group=f"image-{doc['image']}",
            kind=KINDS[doc["id"] % len(KINDS)],
            target=str(doc["answer"]),
        )


class StubAccess(Access):
    """A model of no cost, right in 70 %, whose signals know something of that."""

    level = "stub"

    def __init__(self, docs: Sequence[Any]) -> None:
        # the states of every sample: only those of `hidden_max` are kept
        settings = RunSettings(options=RunOptions(), hidden_dtype="float16")
        lm = SimpleNamespace(task_dict={TASK: {"test": docs}})
        super().__init__(lm, settings, lambda requests: [])
        self._rng = np.random.default_rng(0)

    @classmethod
    def complaint(cls, lm: Any) -> str | None:  # noqa: ANN401
        """None: it is never chosen."""
        return None

    def describe(self) -> dict[str, Any]:
        """A small model, so that the states of some samples are kept."""
        return self.described_by_name("stub") | {"n_layers": N_LAYERS, "d_model": D_MODEL}

    def observe(self, asked: Asked) -> list[Seen]:
        """By row."""
        return self.observe_rows([request.doc_id for request in asked.requests])

    def observe_rows(self, rows: Sequence[int]) -> list[Seen]:
        """Answers and channels of documents."""
        return [self._seen(row) for row in rows]

    def _seen(self, row: int) -> Seen:
        rng = self._rng
        right = rng.random() < 0.7
        answer = ANSWERS[row % 4] if right else ANSWERS[(row + 1) % 4]
        agreeing = int(rng.binomial(K, 0.8 if right else 0.5))
        known = rng.normal(right, 1)
        first = 1 / (1 + np.exp(-known))
        states = rng.normal(size=(N_LAYERS + 1, D_MODEL)).astype(np.float32)
        states[3:, 0] += right
        channels: tuple[Channel, ...] = (
            TokenScores(np.array([np.log(first)])),
            TokenEntropies(np.array([-np.log(first)])),
            FirstTwo(np.array([first, (1 - first) / 2])),
            ImageMass(rng.random(N_LAYERS)),
            LensReading(rng.normal(size=N_LAYERS + 1) + known),
            PromptState(states),
        )
        absent = dict.fromkeys(("image_maps", "top_heads_map", "lens_shares"), NO_MAPS)
        samples = [answer] * agreeing + [ANSWERS[(row + 2) % 4]] * (K - agreeing)
        return Seen(answer, {own.name: own for own in channels}, absent, samples)


if __name__ == "__main__":
    sys.exit(main())
