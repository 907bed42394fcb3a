"""Every captured signal by its plain formula: lists and loops, nothing of the packages.

What was seen of one answer is a `Seen`; `FORMULAS` says what each signal is, sign and layer
included, as the method specifies it (higher means more likely correct). Slow on purpose.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DELTA = 1e-9  # inside the logarithm of the spatial entropy
Map = list[float]


@dataclass(frozen=True)
class Probe:
    """A linear probe of one layer, and what makes a probability of its decision."""

    layer: int
    mean: Sequence[float]
    inverse_scale: Sequence[float]
    weight: Sequence[float]
    intercept: float
    slope: float
    offset: float


@dataclass(frozen=True)
class Seen:
    """One answer; layers count from the input side, cells go row by row.

    Attributes
    ----------
    grid : (height, width) of the image tokens.
    rows : [layer][head][position][cell], attention to the image as it is, not renormalised. The
        positions are the last prompt token and each answer token but the last.
    sinks : [layer][cell], whether the token is an attention sink at the layer's input.
    logits : [answer token][word], those that predicted it.
    tokens : the answer, its end not included.
    lens : [layer][word], logits of each layer's state at the last prompt token; embeddings first.
    truth : first tokens of the true answer.
    contributions : [layer][head], what each head adds to the logit of the first answer token.
    top_heads : how many heads make the map of the top heads.
    samples, answer : normalised texts.
    state : [layer][dimension], states of the last prompt token; embeddings first.
    probe : a probe fitted elsewhere.
    """

    grid: tuple[int, int]
    rows: Sequence[Sequence[Sequence[Map]]]
    sinks: Sequence[Sequence[bool]]
    logits: Sequence[Sequence[float]]
    tokens: Sequence[int]
    lens: Sequence[Sequence[float]]
    truth: Sequence[int]
    contributions: Sequence[Sequence[float]]
    top_heads: int
    samples: Sequence[str]
    answer: str
    state: Sequence[Sequence[float]]
    probe: Probe


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def mean_map(maps: Sequence[Map]) -> Map:
    return [mean(cells) for cells in zip(*maps, strict=True)]


def normalised(weights: Map) -> Map:
    total = math.fsum(weights)
    return [w / total for w in weights]


def layer_weights(seen: Seen) -> list[Map]:
    """Mean over heads and positions, per layer."""
    return [mean_map([row for head in heads for row in head]) for heads in seen.rows]


def layer_maps(seen: Seen) -> list[Map]:
    return [normalised(weights) for weights in layer_weights(seen)]


def whole_map(seen: Seen) -> Map:
    return mean_map(layer_maps(seen))


def entropy(weights: Map) -> float:
    return -math.fsum(p * math.log(p + DELTA) for p in normalised(weights))


def layer_entropy(seen: Seen, layer: int) -> float:
    return entropy(layer_maps(seen)[layer])


def map_without_sinks(seen: Seen) -> Map:
    kept = [
        [0.0 if sink else p for p, sink in zip(own, sinks, strict=True)]
        for own, sinks in zip(layer_maps(seen), seen.sinks, strict=True)
    ]
    return mean_map([normalised(own) for own in kept if math.fsum(own) > 0])


def top_heads_map(seen: Seen) -> Map:
    """The last prompt token's attention, mean over the heads that add most to the answer."""
    ranked = sorted(
        ((c, layer, head) for layer, own in enumerate(seen.contributions) for head, c in
         enumerate(own)), reverse=True,
    )  # fmt: skip
    chosen = [seen.rows[layer][head][0] for _, layer, head in ranked[: seen.top_heads]]
    return normalised(mean_map(chosen))


def top_cells(seen: Seen, weights: Map) -> list[tuple[int, int]]:
    """The top 10 % of the cells, those tied with the last included."""
    level = sorted(weights, reverse=True)[math.ceil(len(weights) / 10) - 1]
    width = seen.grid[1]
    return [divmod(i, width) for i, w in enumerate(weights) if w >= level]


def n_groups(cells: Sequence[tuple[int, int]]) -> int:
    """Groups of cells that touch, corners included."""
    left, found = set(cells), 0
    while left:
        found += 1
        waiting = [left.pop()]
        while waiting:
            row, column = waiting.pop()
            near = {c for c in left if abs(c[0] - row) <= 1 and abs(c[1] - column) <= 1}
            left -= near
            waiting += near
    return found


def n_clusters(cells: Sequence[tuple[int, int]]) -> int:
    """DBSCAN's, radius 1.5 and three points: groups of cells with two neighbours or more."""
    core = [a for a in cells if sum(math.dist(a, b) <= 1.5 for b in cells) >= 3]
    return n_groups(core)


def probabilities(logits: Sequence[float]) -> list[float]:
    largest = max(logits)
    return normalised([math.exp(x - largest) for x in logits])


def token_logprobs(seen: Seen) -> list[float]:
    steps = zip(seen.logits, seen.tokens, strict=True)
    return [math.log(probabilities(logits)[token]) for logits, token in steps]


def step_entropies(seen: Seen) -> list[float]:
    steps = [probabilities(logits) for logits in seen.logits]
    return [-math.fsum(p * math.log(p) for p in step if p > 0) for step in steps]


def top_two(seen: Seen) -> tuple[float, float]:
    first, second = sorted(probabilities(seen.logits[0]), reverse=True)[:2]
    return first, second


def margins(seen: Seen, tokens: Sequence[int]) -> list[float]:
    """Best logit of ``tokens`` less the best of all others, per layer."""
    found = []
    for logits in seen.lens:
        others = max(x for word, x in enumerate(logits) if word not in tokens)
        found.append(max(logits[token] for token in tokens) - others)
    return found


def answer_margins(seen: Seen) -> list[float]:
    return margins(seen, [seen.tokens[0]])


def counts(seen: Seen) -> list[int]:
    return list(Counter(seen.samples).values())


def common_words(a: Sequence[str], b: Sequence[str]) -> int:
    """Longest common subsequence, by its recursion."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            longest = max(table[i - 1][j], table[i][j - 1])
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else longest
    return table[-1][-1]


def alike(first: str, second: str) -> float:
    a, b = first.split(), second.split()
    return 2 * common_words(a, b) / (len(a) + len(b))


def laplacian(seen: Seen) -> list[list[float]]:
    s = [[alike(a, b) for b in seen.samples] for a in seen.samples]
    degrees = [math.fsum(row) for row in s]
    n = len(s)
    return [
        [(i == j) - s[i][j] / math.sqrt(degrees[i] * degrees[j]) for j in range(n)]
        for i in range(n)
    ]


def eigen(matrix: list[list[float]]) -> list[tuple[float, list[float]]]:
    """Eigenvalues and vectors of a symmetric matrix, by Jacobi's rotations."""
    n = len(matrix)
    a = [row[:] for row in matrix]
    v = [[float(i == j) for j in range(n)] for i in range(n)]
    for _ in range(50):
        for p in range(n):
            for q in range(p + 1, n):
                if abs(a[p][q]) < 1e-15:
                    continue
                angle = 0.5 * math.atan2(2 * a[p][q], a[q][q] - a[p][p])
                c, s = math.cos(angle), math.sin(angle)
                for rows in (a, v):
                    for row in rows:
                        row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
                a[p], a[q] = (
                    [c * x - s * y for x, y in zip(a[p], a[q], strict=True)],
                    [s * x + c * y for x, y in zip(a[p], a[q], strict=True)],
                )
    return [(a[k][k], [v[i][k] for i in range(n)]) for k in range(n)]


def spread_of_samples(seen: Seen) -> float:
    vectors = [own for value, own in eigen(laplacian(seen)) if value < 0.9]
    return math.sqrt(math.fsum((x - mean(own)) ** 2 for own in vectors for x in own))


def unlike(seen: Seen) -> float:
    return mean([1 - alike(seen.answer, sample) for sample in seen.samples])


def middle_layers(seen: Seen) -> list[int]:
    """Layers 5 to 18 of 32, and what is as deep in other models."""
    n = len(seen.rows)
    return [layer for layer in range(n) if round(5 * n / 32) <= layer <= round(18 * n / 32)]


def probe_probability(seen: Seen) -> float:
    probe, state = seen.probe, seen.state[seen.probe.layer]
    z = [(h - m) * s for h, m, s in zip(state, probe.mean, probe.inverse_scale, strict=True)]
    decision = math.fsum(a * b for a, b in zip(z, probe.weight, strict=True)) + probe.intercept
    return 1 / (1 + math.exp(-(probe.slope * decision + probe.offset)))


def pairs(n: int) -> float:
    return n * (n - 1) / 2


FORMULAS: dict[str, Callable[[Seen], float]] = {
    # method §2: sharp attention was to mean right
    "spatial_entropy": lambda s: -entropy(whole_map(s)),
    "spatial_entropy_normalized": lambda s: -entropy(whole_map(s)) / math.log(math.prod(s.grid)),
    "cluster_count": lambda s: -n_clusters(top_cells(s, whole_map(s))),
    "component_count": lambda s: -n_groups(top_cells(s, whole_map(s))),
    "entropy_evolution": lambda s: -(layer_entropy(s, -1) - layer_entropy(s, 0)),
    "final_diffusion": lambda s: -(layer_entropy(s, -1) - layer_entropy(s, -2)),
    "spatial_entropy_without_sinks": lambda s: -entropy(map_without_sinks(s)),
    "spatial_entropy_top_heads": lambda s: -entropy(top_heads_map(s)),
    "cluster_count_top_heads": lambda s: -n_clusters(top_cells(s, top_heads_map(s))),
    "image_attention_mass": lambda s: mean([math.fsum(own) for own in layer_weights(s)]),
    "svar": lambda s: mean([math.fsum(layer_weights(s)[own]) for own in middle_layers(s)]),
    # similarity of words between samples
    "lexical_similarity": lambda s: (
        math.fsum(alike(a, b) for i, a in enumerate(s.samples) for b in s.samples[:i])
        / pairs(len(s.samples))
    ),
    "degree": lambda s: 1 - unlike(s),
    "eccentricity": lambda s: -spread_of_samples(s),
    "laplacian_eigenvalues": lambda s: (
        -math.fsum(max(0.0, 1 - value) for value, _ in eigen(laplacian(s)))
    ),
    "cocoa_msp": lambda s: -(1 - math.exp(math.fsum(token_logprobs(s)))) * unlike(s),
    "cocoa_nll": lambda s: math.fsum(token_logprobs(s)) * unlike(s),
    "cocoa_perplexity": lambda s: mean(token_logprobs(s)) * unlike(s),
    "cocoa_entropy": lambda s: -mean(step_entropies(s)) * unlike(s),
    # method §3
    "sequence_log_probability": lambda s: math.fsum(token_logprobs(s)),
    "max_token_entropy": lambda s: -max(step_entropies(s)),
    "token_confidence": lambda s: mean(token_logprobs(s)),
    "min_token_confidence": lambda s: min(token_logprobs(s)),
    "first_token_probability": lambda s: probabilities(s.logits[0])[s.tokens[0]],
    "first_token_margin": lambda s: top_two(s)[0] - top_two(s)[1],
    "first_token_entropy": lambda s: -step_entropies(s)[0],
    "logit_entropy": lambda s: -mean(step_entropies(s)),
    "self_consistency": lambda s: max(counts(s)) / len(s.samples),
    "answer_agreement": lambda s: list(s.samples).count(s.answer) / len(s.samples),
    "pairwise_agreement": lambda s: sum(map(pairs, counts(s))) / pairs(len(s.samples)),
    "distinct_answers": lambda s: -len(set(s.samples)),
    "semantic_entropy": lambda s: math.fsum(
        c / len(s.samples) * math.log(c / len(s.samples)) for c in counts(s)
    ),
    # method §4
    "answer_margin": lambda s: answer_margins(s)[-1],
    "answer_margin_mean": lambda s: mean(answer_margins(s)),
    "truth_margin": lambda s: margins(s, s.truth)[-1],
    "truth_margin_peak": lambda s: max(margins(s, s.truth)),
    "loaded_probe": probe_probability,
}

# recomputed from the stock model in `test_kept_channels`
KEPT = frozenset(
    (
        "self_certainty", "renyi_entropy", "epr", "likelihood_semantic_entropy",
        "predictive_entropy", "eigenscore", "candidate_mass", "candidate_margin",
        "candidate_share", "rauq", "image_information", "blank_entropy_difference",
        "first_step_divergence",
    )
)  # fmt: skip

# fitted on the run's own labels once a task is done, so no answer has them by itself
FITTED_ON_LABELS = frozenset(
    (
        "probe", "probe_l1", "probe_mlp", "probe_last5", "probe_last_answer", "probe_mean_answer",
        "probe_blank", "attention_features", "attention_mlp", "bicr", "mahalanobis_distance",
        "relative_mahalanobis_distance", "knn_distance", "saplma", "internal_inspector",
        "lookback_ratio", "halp_vision", "halp_image_token", "lac_set_size", "aps_set_size",
        "h_neurons", "ccps", "bicr_blank",
    )
)  # fmt: skip
