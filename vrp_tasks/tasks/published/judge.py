"""Labels from a judge: LLaVA-Bench through lmms-eval's own judge layer.

lmms-eval asks the judge to score a reference answer and the model's from 1 to 10. The *relative
score*, the model's over the reference's (at most 1), is the soft score of one answer; the mean of
both sides over all answers makes lmms-eval's own figure. An answer counts as correct from a
relative score of 0.75 on (``threshold`` in the task's YAML): three quarters of what the reference
gets. Where the judge failed, or said something that is no pair of scores, lmms-eval puts -1 and
averages it; here the answer has no label, with the reason.

The judge is lmms-eval's: ``API_TYPE`` (openai by default), ``OPENAI_API_KEY``, ``OPENAI_API_URL``
(the base address of any OpenAI-compatible server, such as http://localhost:8000/v1) and
``MODEL_VERSION``. An answer is judged once in a process, however often it is scored; a failure is
asked again.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vrp_tasks.errors import ScorerError, SetupError

_PATIENCE = 10.0  # seconds for a connection
_VARIABLES = ("API_TYPE", "OPENAI_API_KEY", "OPENAI_API_URL", "MODEL_VERSION")
_reviews: dict[tuple[str, ...], dict[str, Any]] = {}


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """lmms-eval's own for LLaVA-Bench (COCO), asking the judge once per question and answer."""
    judge = tuple(os.environ.get(name, "") for name in _VARIABLES)
    key = (*judge, str(doc["question_id"]), str(doc["question"]), results[0])
    found = _reviews.get(key)
    if found is None:
        found = _stock(judge)(doc, results)
        if found["gpt_eval_llava_all"]["scores"][0] < 0:
            return found
        _reviews[key] = found
    return copy.deepcopy(found)


@functools.lru_cache(maxsize=4)
def _stock(_judge: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    """The stock function, its module executed anew for each judge: it keeps the first for good."""
    from lmms_eval import tasks

    path = Path(tasks.__file__).parent / "llava-bench-coco" / "utils.py"
    spec = importlib.util.spec_from_file_location("llava_bench_coco_utils", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scorer: Callable[..., dict[str, Any]] = module.llava_process_results
    return scorer


def relative_score(_doc: dict[str, Any], _answer: str, results: dict[str, Any]) -> float:
    """The judge's score of the answer over its score of the reference.

    Parameters
    ----------
    results : dict
        What lmms-eval's ``process_results`` of a LLaVA-Bench returned.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ScorerError
        If the judge gave no pair of scores.
    """
    review = results["gpt_eval_llava_all"]
    reference, own = review["scores"]
    if reference <= 0 or own < 0:
        said = " ".join(str(review["review"]).split())[:200]
        raise ScorerError(f"the judge gave no scores: {said!r}")
    found: float = min(1.0, own / reference)
    return found


def check_judge(task: str) -> None:
    """See that there is a judge to ask, before a model is loaded.

    Raises
    ------
    SetupError
        If there is no key, or nobody listens at the endpoint.
    """
    from lmms_eval.llm_judge import ServerConfig, get_server

    kind = os.environ.get("API_TYPE", "openai").lower()
    help_line = (
        "Set OPENAI_API_KEY, and OPENAI_API_URL to the base address of an OpenAI-compatible "
        "server (default https://api.openai.com/v1), or API_TYPE to another judge of lmms-eval."
    )
    try:
        server = get_server(kind, ServerConfig(model_name=os.environ.get("MODEL_VERSION", "")))
    except Exception as error:  # whatever the provider's client raises
        raise SetupError(
            f"{task} is labelled by a judge, and the {kind} one cannot be used "
            f"({str(error).splitlines()[0]}). {help_line}"
        ) from error
    if not server.is_available():
        raise SetupError(
            f"{task} is labelled by a judge, and the {kind} one has no key. {help_line}"
        )
    address = getattr(server, "base_url", None)
    if address:
        _check_listening(task, str(address))


def _check_listening(task: str, address: str) -> None:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), timeout=_PATIENCE).close()
    except OSError as error:
        raise SetupError(
            f"{task} is labelled by a judge, and nobody answers at {address} "
            f"({error.strerror or error}). Start the server, or set OPENAI_API_URL to its address."
        ) from error
