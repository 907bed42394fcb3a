"""Answers with everything that can be seen beside them, made up."""

import numpy as np

from metrics.record.channels import (
    OUTSIDE,
    PERTURBATIONS,
    STATES,
    BlankScores,
    CandidateMasses,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    CoreHidden,
    FirstTwo,
    HeadMasses,
    ImageMaps,
    ImageMass,
    ImageTokens,
    LensReading,
    LensShares,
    ListedTokens,
    LookBack,
    NeuronContributions,
    Perturbed,
    PerturbedState,
    ProbeOpinion,
    Samples,
    SampleScores,
    SampleSpread,
    TokenEntropies,
    TokenImageMass,
    TokenScores,
    TokenSteps,
    TopHeadsMap,
    TruthAsked,
    TruthAskedWithSamples,
    TruthLens,
    VisionState,
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
        NeuronContributions(real(N_LAYERS, 4)),
        PerturbedState(real(3, 75)),
        Perturbed((real(len(PERTURBATIONS)) > 0.5).astype(np.float32)),
        ProbeOpinion(real(1)),
        TokenSteps(real(3), real(3), real(3), real(3)),
        ListedTokens(real(3), real(3)),
        SampleScores(-real(4), np.array([1, 2, 1, 3], np.int32)),
        CandidateMasses(real(12) / 12, np.array([0], np.int8)),
        BlankScores(-real(3), real(3), real(1)),
        TokenImageMass(real(3)),
        LookBack(real(1, 3)),
        HeadMasses(real(N_LAYERS, 2, 3) / 3),
        SampleSpread(np.sort(real(4))),
        VisionState(real(WIDTH), real(WIDTH)),
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
