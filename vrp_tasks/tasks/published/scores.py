"""Where lmms-eval only scores a whole run: the score of one answer, and of a part of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from loguru import logger


def hallusion_score(_doc: dict[str, Any], _answer: str, results: dict[str, Any]) -> float:
    """HallusionBench's own rule without a judge, on one answer.

    lmms-eval's task sends all answers to a judge at the end of the run, and has this rule beside it
    (``hb_aggregation_result_intern``): an answer with "yes" in it is a yes, any other is a no.
    """
    from lmms_eval.tasks.hallusion_bench.evaluate_hb import hb_aggregation_result_intern

    return float(hb_aggregation_result_intern([dict(results["aAcc"])], "aAcc"))


def mme_score(results: Sequence[dict[str, Any]]) -> float | None:
    """MME's own score, over both questions of each image.

    lmms-eval's aggregation stops the whole run at an image with one question, as a limit may leave
    it; here such a run has no MME score, and keeps everything else.
    """
    from lmms_eval.tasks.mme.utils import mme_aggregate_results

    pairs = Counter((result["category"], result["question_id"]) for result in results)
    lone = sum(number != 2 for number in pairs.values())
    if not results or lone:
        logger.warning(f"MME's own score needs both questions of an image; {lone} have one.")
        return None
    return float(mme_aggregate_results(results))
