"""Answers with everything that can be seen beside them, made up."""

import numpy as np

from metrics.record.channels import (
    OUTSIDE,
    PERTURBATIONS,
    STATES,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    CoreHidden,
    FirstTwo,
    ImageMaps,
    ImageMass,
    ImageTokens,
    LensReading,
    LensShares,
    Perturbed,
    ProbeOpinion,
    Samples,
    TokenEntropies,
    TokenScores,
    TopHeadsMap,
    TruthAsked,
    TruthAskedWithSamples,
    TruthLens,
)
from metrics.record.observation import Absent, Observation

LATER = Absent("no other model has compared the answers", "not offered")
N_LAYERS, GRID, WIDTH = 3, (4, 6), 5


def channels(seed):
    """Every channel that a signal needs, by name; float32 as a run stores them."""
    rng = np.random.default_rng(seed)

    def real(*shape):
        return rng.random(shape).astype(np.float32)

    samples = rng.choice(["yes", "no", "a cat"], size=4).tolist()
    found = [
        TokenScores(-real(3)),
        TokenEntropies(real(3)),
        FirstTwo(np.sort(real(2))[::-1] / 2),
        ImageMass(real(N_LAYERS)),
        ImageMaps(real(N_LAYERS, *GRID)),
        ImageTokens(real(N_LAYERS), real(N_LAYERS, GRID[0] * GRID[1]) > 0.7),
        TopHeadsMap(real(*GRID)),
        LensReading(real(N_LAYERS + 1)),
        LensShares(real(N_LAYERS), real(N_LAYERS)),
        TruthLens(real(N_LAYERS + 1)),
        Samples.of([s.title() for s in samples], samples, "yes"),
        *(asked(real(2) / 2) for asked in (TruthAsked, TruthAskedWithSamples)),
        *(stated(real(1)) for stated in (ConfidenceInTurn, ConfidenceAfterwards)),
        ConfidenceOfProposal(real(1)),
        CoreHidden(real(3)),
        Perturbed((real(len(PERTURBATIONS)) > 0.5).astype(np.float32)),
        ProbeOpinion(real(1)),
        *(state(real(N_LAYERS + 1, WIDTH)) for state in STATES),
    ]
    return {channel.name: channel for channel in found}


def observation(doc, channels, absent=None, **changes):
    """One answer, right or wrong by its number."""
    values = {
        "task": "shapes", "split": "test", "doc_id": str(doc), "group": f"image-{doc // 2}",
        "kind": "all", "prompt": "?", "answer": "yes", "target": "yes", "score": float(doc % 2),
        "correct": doc % 2, "normal_answer": "yes", "channels": channels,
        "absent": {own.name: LATER for own in OUTSIDE} | (absent or {}),
    }  # fmt: skip
    return Observation(**{**values, **changes})
