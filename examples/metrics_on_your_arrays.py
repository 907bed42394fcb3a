"""Use the metrics on arrays that no run of ours made: arrays in, numbers out.

`metrics` needs NumPy, SciPy and scikit-learn only. Replace `your_arrays` by what you measured.

    pip install .
    python examples/metrics_on_your_arrays.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import metrics


@dataclass
class Arrays:
    """What you measured: one entry per answer.

    ``image`` (n,) which image a question is about; ``kind`` (n,) its kind; ``correct`` (n,) 1 or 0;
    ``confidence`` (n,) any score, higher = more likely correct; ``attention`` (n, height, width)
    attention of the answer to the image, after the softmax.
    """

    image: np.ndarray
    kind: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray
    attention: np.ndarray


def your_arrays(rng: np.random.Generator) -> Arrays:
    """Made up here: 150 images of four questions; counting is harder; confidence knows, a little.

    Attention is drawn without a look at the rest, so that it can say nothing.
    """
    image, kind = np.repeat(np.arange(150), 4), np.tile(["colour", "counting"], 300)
    hard = (kind == "counting") + 0.7 * rng.normal(size=150)[image]
    correct = (rng.normal(size=600) + 1.2 > hard).astype(int)
    confidence = 1.5 * correct - hard + rng.normal(size=600)
    return Arrays(
        image, kind, correct, confidence, rng.dirichlet(np.ones(64), 600).reshape(-1, 8, 8)
    )


def main() -> None:
    """Ask the questions that one asks of a signal, in order."""
    rng = np.random.default_rng(0)
    seen = your_arrays(rng)

    # 1. A signal from raw material. Signals are oriented: higher = more likely correct, and the
    #    claim under test is that sharp attention (low entropy) means a right answer.
    sharpness = np.array([-metrics.spatial_entropy(grid) for grid in seen.attention])

    # 2. Does it tell right from wrong? Intervals are over images: questions about one image are
    #    not independent. With kinds, only answers to the same kind of question are compared.
    for name, score in (("confidence", seen.confidence), ("sharpness", sharpness)):
        plain = metrics.auroc_estimate(seen.correct, score, groups=seen.image)
        fair = metrics.auroc_estimate(seen.correct, score, groups=seen.image, kinds=seen.kind)
        print(f"{name}: AUROC {shown(plain)}, within kinds {shown(fair)}")

    # 3. Is one better than the other, on the same answers?
    found = metrics.paired_auroc_difference(
        (seen.correct, seen.confidence), (seen.correct, sharpness), groups=seen.image
    )
    print(f"confidence less sharpness: {shown(found.estimate)}, p = {found.p_value:.2g}")

    # 4. What is it good for? Answer the surest 80 % only; the threshold comes from other images.
    kept = metrics.accuracy_at_coverage(
        seen.correct, seen.confidence, seen.image, coverage=0.8, rng=rng
    )
    print(
        f"accuracy {seen.correct.mean():.3f}, of the surest {kept.coverage:.0%} {kept.accuracy:.3f}"
    )

    # 5. As a probability: a logistic curve fitted on other images, then its calibration error less
    #    what chance alone makes of one.
    probability = metrics.calibrated_probabilities(
        seen.confidence, seen.correct, seen.image, rng=rng
    )
    error = metrics.calibration_error_estimate(seen.correct, probability, seen.image)
    print(f"calibration error: {shown(error.debiased)}, as usually printed {error.plug_in:.3f}")

    # 6. All of it at once, with controls and adjusted comparisons: the card behind every report.
    card = metrics.evaluate_card(
        correct=seen.correct,
        groups=[str(image) for image in seen.image],
        kinds=seen.kind.tolist(),
        signals={"confidence": seen.confidence, "sharpness": sharpness},
        rng=rng,
    )
    print(f"card: accuracy {shown(card.accuracy)}, {card.n_errors} errors of {card.n}")
    for row in card.signals:
        print(f"  {row.name} ({row.access}): within kinds {shown(row.within_kind_auroc)}")
    confidence = card.signal("confidence")
    print(f"errors found early by confidence: AP {shown(confidence.error_average_precision)}")

    # 7. What is undefined is not made up: a function of numbers raises, an estimate says why.
    try:
        metrics.auroc(seen.correct, np.zeros(600))
    except metrics.UndefinedMetricError as undefined:
        print(f"undefined: {undefined}")
    print(shown(metrics.auroc_estimate(np.ones(600), sharpness, groups=seen.image)))


def shown(found: metrics.Estimate) -> str:
    """A figure with its interval, or why there is none."""
    if found.value is None:
        return f"undefined: {found.reason}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
