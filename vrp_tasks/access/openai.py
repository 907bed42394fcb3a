"""Grey box: a server with OpenAI's chat form, whose client the stock adapter calls."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lmms_eval.models.model_utils.usage_metrics import log_usage
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
from vrp_tasks.access.identity import last_parts
from vrp_tasks.access.server.asking import Answered, Asking, CarryingText
from vrp_tasks.access.server.findings import LENGTH, PROMPT, Examination, Findings, words_of
from vrp_tasks.access.server.further import ASKED, FurtherTurns
from vrp_tasks.access.server.replies import Usage
from vrp_tasks.access.server.seeing import seen_of
from vrp_tasks.attach.documents import a_picture_of
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import SetupError
from vrp_tasks.seam.client import served_client, stock_payload
from vrp_tasks.seam.failed_request import NOT_ASKED, failure_in
from vrp_tasks.seam.progress import silenced
from vrp_tasks.seam.requests import clone_request

SERVERS = ("openai", "openai_compatible", "litellm")  # lmms-eval's model ids
_MODULES = re.compile(r"lmms_eval\.models\.(chat|simple)\.(openai|litellm)")
_NOT_OFFERED = "a server gives answers and log-probabilities, not what is inside the model"
_ENTROPY = (
    "an entropy needs the whole vocabulary's probabilities, and a server tells the likeliest "
    "tokens' alone; logit_entropy_bound says how much it is at least"
)
_GIVEN = (
    TokenScores, FirstTwo, ListedTokens, TokenAlternatives, Samples, SampleScores, Perturbed,
)  # fmt: skip
_NAMED = 8  # models of a server, in a message
_GENERATION = {"max_new_tokens": LENGTH, "temperature": 0, "do_sample": False}


class OpenAIAccess(Access):
    """The answer with its tokens' log-probabilities, and K samples from the server's sampler."""

    level = "openai"
    serves = "servers in OpenAI's chat form: `--model openai`, Azure too, and `litellm`"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._findings = Findings()
        self._payload: dict[str, Any] = {}
        self._served_by: str | None = None
        self._usage, self._n_requests, self._n_failed = Usage(), 0, 0

    @classmethod
    def complaint(cls, lm: Any) -> str | None:
        """Adapters that call ``client.chat.completions.create``."""
        modules = [base.__module__ for base in type(lm).__mro__]
        if any(_MODULES.fullmatch(module) for module in modules):
            return None
        return f"{type(lm).__name__} talks to no server in OpenAI's chat form"

    def check_tasks(self, tasks: Mapping[str, Any]) -> None:
        """Ask the server what it can do, in the form and with an image of a task."""
        images = a_picture_of(tasks.values())
        with silenced(self.lm):
            self._payload = stock_payload(
                self.lm, self.stock, text=PROMPT, images=images, generation=dict(_GENERATION)
            )
        send = self.lm.client.chat.completions.create
        try:
            self._findings = Examination(send, self._payload, self.settings.capture).run()
        except SetupError as error:
            raise SetupError(f"{self._named()} cannot be asked: {error}.{self._help()}") from error
        self._served_by = self._owner()
        for what, why in (
            ("confidence signals", self._findings.no_logprobs),
            ("consistency signals", self._findings.no_samples),
        ):
            if why is not None:
                logger.warning(f"No {what}: {why}.")

    def _named(self) -> str:
        where = getattr(self.lm.client, "base_url", None)
        return f"the server{'' if where is None else f' at {_without_user(str(where))}'}"

    def _models(self) -> dict[str, Any]:
        """What the server says it has, by name."""
        try:
            return {str(model.id): model for model in self.lm.client.models.list()}
        except Exception:  # noqa: BLE001 - not every server, nor every client, lists them
            return {}

    def _help(self) -> str:
        names = list(self._models())[:_NAMED]
        asked = f" Asked for: model={self.lm.model_version}."
        return asked + (f" It serves: {', '.join(names)}." if names else "")

    def _owner(self) -> str | None:
        """Which engine it is, as far as the list of its models says."""
        models = self._models()
        own = models.get(str(self.lm.model_version)) or models.get(str(self._findings.model))
        owner = getattr(own, "owned_by", None)
        return owner if isinstance(owner, str) else None

    def describe(self) -> dict[str, Any]:
        """Which model, by its own name and the server's."""
        served = self._findings.model
        return self.described_by_name(str(self.lm.model_version)) | {
            "served_as": None if served is None else last_parts(served, separator="/"),
            "engine": self._served_by,
        }

    def findings(self) -> dict[str, Any]:
        """What was found out about the server."""
        return {"server": self._findings.described()}

    def cost(self) -> dict[str, Any]:
        """Requests and tokens."""
        return {
            "requests": self._n_requests,
            "requests_failed": self._n_failed,
            "requests_to_examine": self._findings.n_requests,
            "prompt_tokens": self._usage.prompt,
            "completion_tokens": self._usage.completion,
            "reasoning_tokens": self._usage.reasoning,
        }

    @property
    def batch_size(self) -> int:
        """As many requests as may be under way at once."""
        lm = self.lm
        return int(
            lm.adaptive_config.max_concurrency if lm.adaptive_concurrency else lm.num_concurrent
        )

    def frozen(self, samples: Iterable[Sequence[str]]) -> str | None:
        """Where the server was seen to follow the temperature, equal samples are certainty."""
        return None if self._findings.varies else super().frozen(samples)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The stock progress bar (one per slice) off."""
        with silenced(self.lm):
            yield

    def observe(self, asked: Asked) -> list[Seen]:
        """Each request's answer and samples, as the stock adapter sends, queues and retries them.

        Raises
        ------
        SetupError
            If no request is answered, and the server no longer answers anything else either.
        """
        texts = self._served(asked, self.settings.capture)
        seen = [self._seen(text) for text in texts]
        self._check_there(seen)
        return seen

    def answers_alone(self, asked: Asked) -> list[str]:
        """One request each, counted like all others."""
        return self._served(asked, replace(self.settings.capture, k=0, extra=()))

    def _served(self, asked: Asked, capture: CaptureSettings) -> list[str]:
        """What the stock adapter makes of requests, its client's every request counted."""
        asking = Asking(
            self.lm.client.chat.completions.create,
            self._findings,
            capture,
            tries=self.lm.max_retries,
            account=self._log,
        )
        clones = [clone_request(request) for request in asked.requests]
        with served_client(self.lm, asking.create):
            found = self.stock(clones)
        self._usage += asking.usage
        self._n_requests += asking.n_requests
        self._n_failed += asking.n_failed
        if asking.further_seconds:
            self.took("further turns", asking.further_seconds)
        return texts_of(self.lm, found, clones)

    def _log(self, usage: Usage) -> None:
        """Tell lmms-eval, which counts tokens and keeps to a budget, of requests for samples."""
        log_usage(
            model_name=self.lm.model_version,
            input_tokens=usage.prompt,
            output_tokens=usage.completion,
            reasoning_tokens=usage.reasoning,
        )

    def _seen(self, text: str) -> Seen:
        never = self.never()
        if not isinstance(text, CarryingText):
            failure = failure_in(text)
            return Seen.failed(failure or NOT_ASKED, never, excused=failure in (None, NOT_ASKED))
        answered: Answered = text.answered
        if answered.choice.text is None:  # it answered, and said why it says nothing
            return Seen.failed(str(answered.choice.reason), never, excused=True)
        return seen_of(answered, never)

    def never(self) -> dict[str, Absent]:
        """What this server gives with no answer, and why."""
        found = self._findings
        why = {c.name: _NOT_OFFERED for c in CHANNELS if c not in (*_GIVEN, *ASKED)}
        why[TokenEntropies.name] = found.no_logprobs or _ENTROPY
        if found.no_logprobs is not None:
            told = (c.name for c in (TokenScores, FirstTwo, ListedTokens, TokenAlternatives))
            why |= dict.fromkeys(told, found.no_logprobs)
        elif "top_logprobs" not in found.answer_options:
            listed = (c.name for c in (FirstTwo, ListedTokens, TokenAlternatives))
            why |= dict.fromkeys(listed, "the server lists no other tokens")
        if found.no_sample_logprobs is not None:
            why[SampleScores.name] = found.no_sample_logprobs
        if found.no_samples is not None:
            why |= dict.fromkeys((Samples.name, SampleScores.name), found.no_samples)
        never = super().never()
        never |= {name: Absent(reason, "not offered") for name, reason in why.items()}
        capture = self.settings.capture
        return never | FurtherTurns(found, capture.extra).never(k=capture.k)

    def _check_there(self, seen: Sequence[Seen]) -> None:
        """Stop the run if nothing was answered because the server is gone."""
        reasons = Counter(one.failure for one in seen if one.failure is not None)
        if not reasons:
            return
        (reason, _), failed = reasons.most_common(1)[0], reasons.total()
        if failed < len(seen) or NOT_ASKED in reasons:
            logger.warning(f"{failed} of {len(seen)} requests brought no answer: {reason}.")
            return
        try:
            self.lm.client.chat.completions.create(**self._payload)
        except Exception as error:
            raise SetupError(
                f"{self._named()} stopped answering ({words_of(error)}). What was answered before "
                "is kept: start the same command again, and the run goes on."
            ) from error


def missing_key(model: str, arguments: Mapping[str, Any]) -> str | None:
    """What to do about a key without which the client cannot even be made; None if there is one."""
    if model == "litellm" or arguments.get("api_key"):
        return None
    azure = str(arguments.get("azure_openai", False)).lower() in ("true", "1")
    variable = "AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY"
    if os.environ.get(variable):
        return None
    return (
        f"--model {model} needs a key: set {variable}. A server of your own takes any "
        f"({variable}=none)."
    )


def _without_user(url: str) -> str:
    """An address less a user's name and password."""
    return re.sub(r"//[^/@]*@", "//", url)
