"""Signals of passes that a run has to ask for, by their plain formulas on hand-written channels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

NAN = math.nan
# channel -> field -> numbers
CHANNELS: dict[str, dict[str, list[float]]] = {
    "token_entropies": {"by_token": [0.4, 0.9, 0.2]},
    "core_hidden": {"entropies": [1.1, 1.3, 0.3]},
    "truth_asked": {"masses": [0.30, 0.10]},
    "truth_asked_with_samples": {"masses": [0.45, 0.05]},
    "confidence_in_turn": {"share": [0.85]},
    "confidence_afterwards": {"share": [0.6]},
    "confidence_of_proposal": {"share": [0.2]},
    # blur, crop, flip (not legal), noise, another image
    "perturbed": {"agrees": [1.0, 0.0, NAN, 1.0, 0.0]},
    "token_scores": {"logprobs": [-0.5, -0.25, -2.0]},
    "rephrased": {"agrees": [1.0, 0.0, 1.0]},
    "token_relevance": {"similarity": [0.9, 0.5, 0.6]},
    # of samples of two tokens, three and one
    "sample_tokens": {
        "logprobs": [-0.5, -0.1, -0.7, -0.3, -1.0, -0.9],
        "lengths": [2, 3, 1],
        "texts": [],
    },
    "samples_relevance": {"similarity": [0.2, 0.6, 0.5, 1.0, 0.75, 0.0]},
    "listed_tokens": {"entropies": [0.3, 0.0, 0.75], "seen": [0.9, 1.0, 0.95]},
    "sample_scores": {"logprobs": [-0.6, -2.0, -0.9], "lengths": [2.0, 4.0, 1.0]},
}
# the scored answer, then three samples: the first two samples mean what it means
E = [[1, 0.9, 0.8, 0.1], [0.9, 1, 0.7, 0.2], [0.6, 0.7, 1, 0.1], [0.1, 0.3, 0.2, 1]]
C = [[0, 0.0, 0.1, 0.7], [0.0, 0, 0.2, 0.5], [0.1, 0.0, 0, 0.6], [0.8, 0.2, 0.3, 0]]
S = [[1, 0.95, 0.3, 0.2], [0.95, 1, 0.4, 0.1], [0.3, 0.4, 1, 0.6], [0.2, 0.1, 0.6, 1]]
SUPPORT = [[1, 0.8, 0.7, 0.2], [0.6, 1, 0.5, 0.1], [0.9, 0.4, 1, 0.3], [0.2, 0.1, 0.4, 1]]
# of two tokens, three alternatives each: both say the same, or the contrary, or something else
P = [[0.6, 0.3, 0.05], [0.5, 0.2, 0.2]]
CLAIM_E, CLAIM_C = [[1, 0.1, 0.2], [1, 0.7, 0.3]], [[0, 0.8, 0.1], [0, 0.1, 0.4]]
MATRICES = {
    "token_alternatives": {"logprobs": np.log(P).tolist(), "texts": []},
    "claims_entailed": {"entails": CLAIM_E, "contradicts": CLAIM_C},
    "answers_entailed": {"entails": E, "contradicts": C, "supports": SUPPORT},
    "answers_alike": {"similarity": S},
}


def _mean(channel: str, field: str) -> float:
    values = CHANNELS[channel][field]
    return math.fsum(values) / len(values)


def _kernel_entropy(weights: list[list[float]]) -> float:
    """By the eigenvalues of the Laplacian: its heat kernel has their exponentials."""
    n = len(weights)
    w = np.array(weights) - np.diag(np.diag(weights))
    values, vectors = np.linalg.eigh(np.diag(w.sum(axis=0)) - w)
    kernel = (vectors * np.exp(-0.3 * values)) @ vectors.T
    unit = [
        [kernel[i, j] / math.sqrt(kernel[i, i] * kernel[j, j]) / n for j in range(n)]
        for i in range(n)
    ]
    return -math.fsum(p * math.log(p) for p in np.linalg.eigvalsh(np.array(unit)))


def _entailment_weights() -> list[list[float]]:
    near = [
        [e + (1 - e - c) / 2 for e, c in zip(*rows, strict=True)] for rows in zip(E, C, strict=True)
    ]
    return [[(near[i][j] + near[j][i]) / 2 for j in range(1, 4)] for i in range(1, 4)]


def _entails_both() -> list[list[float]]:
    return [[(E[i][j] + E[j][i]) / 2 for j in range(1, 4)] for i in range(1, 4)]


def _spectrum(weights: list[list[float]]) -> tuple[list[float], np.ndarray]:
    """Of the normalised Laplacian, by those of the random walk on the graph: D⁻¹ W."""
    w = np.array(weights)
    values, vectors = np.linalg.eig(w / w.sum(axis=1, keepdims=True))
    vectors = vectors * np.sqrt(w.sum(axis=1))[:, None]
    return [1 - float(v.real) for v in values], (vectors / np.linalg.norm(vectors, axis=0)).real


def _eigenvalues(weights: list[list[float]]) -> float:
    return math.fsum(max(0.0, 1 - value) for value in _spectrum(weights)[0])


def _eccentricity(weights: list[list[float]]) -> float:
    values, vectors = _spectrum(weights)
    kept = [vectors[:, k] for k, value in enumerate(values) if value < 0.9]
    return math.sqrt(math.fsum(((own - own.mean()) ** 2).sum() for own in kept))


def _weighted_entropy(groups: list[list[int]]) -> float:
    """By probabilities: each sample's is the geometric mean of its tokens'."""
    own = CHANNELS["sample_scores"]
    per_token = [
        math.exp(total) ** (1 / n) for total, n in zip(own["logprobs"], own["lengths"], strict=True)
    ]
    shares = [math.fsum(per_token[k] for k in group) / math.fsum(per_token) for group in groups]
    return math.fsum(p * math.log(p) for p in shares)


def _sentence_sar() -> float:
    p = [math.exp(total) for total in CHANNELS["sample_scores"]["logprobs"]]
    relevant = [
        p[j] + math.fsum(S[j + 1][k + 1] * p[k] for k in range(3) if k != j) / 0.001
        for j in range(3)
    ]
    return math.fsum(math.log(own) for own in relevant) / 3


def _sar() -> float:
    relevant = [
        (0.8 * -0.5 + 0.4 * -0.1) / 1.2, (0.5 * -0.7 + 0.0 * -0.3 + 0.25 * -1.0) / 0.75, -0.9,
    ]  # fmt: skip
    p = [math.exp(own) for own in relevant]
    return (
        math.fsum(
            math.log(p[j] + math.fsum(S[j + 1][k + 1] * p[k] for k in range(3) if k != j) / 0.001)
            for j in range(3)
        )
        / 3
    )


def _first(channel: str, field: str) -> float:
    return CHANNELS[channel][field][0]


def _vauq() -> float:
    h, without = _mean("token_entropies", "by_token"), _mean("core_hidden", "entropies")
    return -(h - 0.5 * (without - h))


def _harmless() -> float:
    tried = [own for own in CHANNELS["perturbed"]["agrees"][:4] if not math.isnan(own)]
    return math.fsum(tried) / len(tried)


ASKED_FOR: dict[str, Callable[[], float]] = {
    "first_token_entropy_bound": lambda: -_first("listed_tokens", "entropies"),
    "logit_entropy_bound": lambda: -_mean("listed_tokens", "entropies"),
    "p_true": lambda: _first("truth_asked", "masses"),
    "p_true_share": lambda: 0.30 / (0.30 + 0.10),
    "p_true_with_samples": lambda: _first("truth_asked_with_samples", "masses"),
    "stated_confidence_in_turn": lambda: _first("confidence_in_turn", "share"),
    "stated_confidence": lambda: _first("confidence_afterwards", "share"),
    "self_probing": lambda: _first("confidence_of_proposal", "share"),
    "vauq": _vauq,
    "core_information": lambda: (
        _mean("core_hidden", "entropies") - _mean("token_entropies", "by_token")
    ),
    "perturbation_agreement": _harmless,
    "wrong_image_change": lambda: 1 - CHANNELS["perturbed"]["agrees"][4],
    "perturbation_contrast": lambda: _harmless() - CHANNELS["perturbed"]["agrees"][4],
    # samples 1 and 2 are one group, 3 another
    "semantic_entropy_entailment": lambda: 2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3),
    "likelihood_semantic_entropy_entailment": lambda: _weighted_entropy([[0, 1], [2]]),
    "answer_agreement_entailment": lambda: 2 / 3,
    "kernel_entropy_entailment": lambda: -_kernel_entropy(_entailment_weights()),
    "luq": lambda: math.fsum(SUPPORT[i][j] for i in range(4) for j in range(4) if i != j) / 12,
    "degree_entailment": lambda: math.fsum((E[0][j] + E[j][0]) / 2 for j in (1, 2, 3)) / 3,
    "eccentricity_entailment": lambda: -_eccentricity(_entails_both()),
    "laplacian_eigenvalues_entailment": lambda: -_eigenvalues(_entails_both()),
    "paraphrase_agreement": lambda: 2 / 3,
    # the second token's third alternative contradicts too
    "claim_probability": lambda: math.log(0.6 / (0.6 + 0.3)) + math.log(0.7 / (0.7 + 0.2)),
    "token_sar": lambda: (0.1 * -0.5 + 0.5 * -0.25 + 0.4 * -2.0) / (0.1 + 0.5 + 0.4),
    # by embeddings only sample 1 is what the answer is
    "semantic_entropy_embeddings": lambda: math.log(1 / 3),
    "likelihood_semantic_entropy_embeddings": lambda: _weighted_entropy([[0], [1], [2]]),
    "sentence_sar": _sentence_sar,
    "sar": _sar,
    "answer_agreement_embeddings": lambda: 1 / 3,
    "kernel_entropy_embeddings": lambda: -_kernel_entropy([row[1:] for row in S[1:]]),
    "degree_embeddings": lambda: math.fsum(S[0][1:]) / 3,
    "eccentricity_embeddings": lambda: -_eccentricity([row[1:] for row in S[1:]]),
    "laplacian_eigenvalues_embeddings": lambda: -_eigenvalues([row[1:] for row in S[1:]]),
}
