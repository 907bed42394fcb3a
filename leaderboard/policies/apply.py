"""What a policy does on another run: what it shows, how much of that is wrong, a verdict."""

from __future__ import annotations

from dataclasses import dataclass, fields

from leaderboard.errors import PolicyError
from leaderboard.policies.choose import scored_answers, signal_of, task_of
from leaderboard.policies.policy import Policy
from leaderboard.runs.read import Run
from metrics.abstention.at_threshold import Verdict, promise_verdict, risk_at_threshold
from metrics.abstention.scored import RiskAtThreshold
from metrics.signals import BY_NAME

SAME_IMAGES = "the policy was chosen on these very images: on others the risk may be larger"
OUTSIDE = 4  # class of cost of what another model says of the answers
OTHER_JUDGE = "the signal is another model's: that it was the same one, no run records"
SAME_ANSWERS = "the policy was chosen on this very run: no check of it"


@dataclass(frozen=True)
class Applied:
    """A policy on one run; ``differing`` names what was let pass, ``notes`` what to know."""

    policy: Policy
    model: str
    found: RiskAtThreshold
    verdict: Verdict
    differing: tuple[str, ...]
    notes: tuple[str, ...]


def apply_policy(policy: Policy, run: Run, *, allow_different: bool = False) -> Applied:
    """Hold a promise against the answers of a run.

    Parameters
    ----------
    policy : Policy
        Chosen on another run, of the same model or of another.
    run : Run
        Labelled answers to questions of the same kind.
    allow_different : bool, default False
        Go on although task version, labels, or what makes the signal differ; what differs is
        listed.

    Returns
    -------
    Applied

    Raises
    ------
    PolicyError
        If the run lacks the task or the signal, or differs and ``allow_different`` is False.
    """
    task, name = policy.task.name, policy.signal.name
    if task not in run.manifest.tasks:
        names = ", ".join(run.manifest.tasks)
        raise PolicyError(f"the policy is for the task {task!r}; the run has {names}.")
    scored = scored_answers(run, task, name)
    differing = _differing("the task's", policy.task, task_of(run, task))
    differing += _differing("the signal's", policy.signal, signal_of(run, task, name))
    if differing and not allow_different:
        raise PolicyError(
            f"policy and run differ in {'; '.join(differing)}. --allow-different applies it anyway."
        )
    found = risk_at_threshold(
        scored.correct,
        scored.score,
        scored.groups,
        threshold=policy.promise.threshold,
        confidence=policy.promise.confidence,
    )
    notes = [SAME_IMAGES] if scored.images == policy.chosen_on.images else []
    if notes and (run.path.name, run.model) == (policy.chosen_on.run, policy.chosen_on.model):
        notes = [SAME_ANSWERS]
    if run.model != policy.chosen_on.model:
        notes.append(f"chosen on another model ({policy.chosen_on.model})")
    if BY_NAME[name].cost_class == OUTSIDE:
        notes.append(OTHER_JUDGE)
    verdict = promise_verdict(found, risk=policy.promise.risk)
    return Applied(policy, run.model, found, verdict, tuple(differing), tuple(notes))


def _differing(whose: str, ours: object, theirs: object) -> list[str]:
    found = []
    for field in fields(ours):  # type: ignore[arg-type]
        a, b = getattr(ours, field.name), getattr(theirs, field.name)
        if a != b:
            found.append(f"{whose} {field.name} ({a} and {b})")
    return found
