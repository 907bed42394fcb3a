"""Policies in words, for a terminal."""

from __future__ import annotations

from leaderboard.policies.apply import Applied
from leaderboard.policies.policy import Policy
from leaderboard.tables.text import MAX_NAME, clean
from metrics.abstention.scored import RiskAtThreshold
from metrics.core.estimate import Estimate
from metrics.signals import BY_NAME


def policy_words(policy: Policy) -> str:
    """What is promised, and on what grounds."""
    promise, on = policy.promise, policy.chosen_on
    label = BY_NAME[policy.signal.name].label
    return "\n".join(
        (
            f"Show an answer to {clean(policy.task.name, limit=MAX_NAME)} where {label} "
            f"({policy.signal.name}) is {promise.threshold:.6g} or more: with confidence "
            f"{promise.confidence:g}, at most {_percent(promise.risk)} of the answers shown are "
            "wrong.",
            f"On {clean(on.model, limit=MAX_NAME)} this shows {_percent(on.coverage)} of "
            f"{on.n} answers ({on.n_groups} images) and refuses {on.n - on.n_shown}; "
            f"{on.n_wrong} of {on.n_shown} shown are wrong, upper bound {_percent(on.bound)}.",
            f"Learn-then-Test over images, fixed sequence: {on.n_tested} of {on.n_thresholds} "
            "thresholds tested. It holds for new images like these, for this model.",
        )
    )


def applied_words(applied: Applied) -> str:
    """What a policy does on a run, its verdict first."""
    policy, found = applied.policy, applied.found
    promise = policy.promise
    heads = {
        "kept": "The promise is kept",
        "broken": "The promise is BROKEN",
        "cannot tell": "Cannot tell whether the promise is kept",
    }
    lines = [
        f"{heads[applied.verdict]} on {clean(policy.task.name, limit=MAX_NAME)} by "
        f"{clean(applied.model, limit=MAX_NAME)}: at most {_percent(promise.risk)} of the answers "
        f"with {policy.signal.name} ≥ {promise.threshold:.6g} wrong, at confidence "
        f"{promise.confidence:g}.",
        f"risk      {risk_words(found)}: {found.n_wrong} of {found.n_shown} shown are wrong",
        f"coverage  {_share(found.coverage)}: {found.n_shown} of {found.n} answers, "
        f"{found.n_groups} images; {_percent(policy.chosen_on.coverage)} where it was chosen",
    ]
    lines += [f"applied although they differ in {clean(what)}" for what in applied.differing]
    lines += [f"note: {clean(what)}" for what in applied.notes]
    return "\n".join(lines)


def risk_words(found: RiskAtThreshold) -> str:
    """A risk with its bounds."""
    if found.risk is None:
        return "undefined, nothing is shown"
    return f"{_percent(found.risk)} [{_percent(found.low)}, {_percent(found.high)}]"


def _share(found: Estimate) -> str:
    if found.value is None or found.low is None or found.high is None:
        return f"undefined, {found.reason}"
    return f"{_percent(found.value)} [{_percent(found.low)}, {_percent(found.high)}]"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
