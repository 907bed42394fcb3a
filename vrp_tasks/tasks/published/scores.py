"""Scores of one answer where lmms-eval only scores a whole run."""

from __future__ import annotations

from typing import Any


def hallusion_score(_doc: dict[str, Any], _answer: str, results: dict[str, Any]) -> float:
    """HallusionBench's own rule without a judge, on one answer.

    lmms-eval's task sends all answers to a judge at the end of the run, and has this rule beside it
    (``hb_aggregation_result_intern``): an answer with "yes" in it is a yes, any other is a no.
    """
    from lmms_eval.tasks.hallusion_bench.evaluate_hb import hb_aggregation_result_intern

    return float(hb_aggregation_result_intern([dict(results["aAcc"])], "aAcc"))
