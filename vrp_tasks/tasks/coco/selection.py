"""A balanced, seeded choice among questions: as many of each answer, one per image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from vrp_tasks.tasks.coco.questions import Question

Cells = dict[Hashable, dict[str, list[Question]]]


def select(
    questions: Iterable[Question],
    cells: Sequence[Hashable],
    *,
    cell_of: Callable[[Question], Hashable],
    n: int,
    seed: int,
) -> list[Question]:
    """Choose up to n questions.

    Parameters
    ----------
    questions : iterable of Question
    cells : sequence
        What must come equally often, for instance every answer.
    cell_of : callable
        The cell of a question.
    n : int
        How many in all. Where one cell offers fewer than its share, every cell gets as few.
    seed : int
        Decides among what the rules leave equal.

    Returns
    -------
    list of Question
        In the order of the images.
    """
    keyed: Cells = {cell: defaultdict(list) for cell in cells}
    offered = list(questions)
    for index in np.random.default_rng([seed, 1]).permutation(len(offered)):
        question = offered[index]
        keyed[cell_of(question)][question.category].append(question)
    scarce_first = sorted(cells, key=lambda cell: (_n_images(keyed[cell]), str(cell)))
    chosen: list[Question] = []
    low, high = 0, n // len(cells)
    while low < high:  # the largest share that every cell can have
        share = (low + high + 1) // 2
        filled = _fill(keyed, scarce_first, share)
        if len(filled) == share * len(cells):
            low, chosen = share, filled
        else:
            high = share - 1
    return sorted(chosen, key=lambda question: question.picture.id)


def _n_images(by_category: dict[str, list[Question]]) -> int:
    return len({q.picture.id for group in by_category.values() for q in group})


def _fill(keyed: Cells, order: Sequence[Hashable], share: int) -> list[Question]:
    """Fill every cell up to its share as far as images are left for it."""
    used: set[int] = set()
    chosen: list[Question] = []
    for cell in order:
        taken = _take(keyed[cell], share, used)
        used |= {question.picture.id for question in taken}
        chosen += taken
    return chosen


def _take(by_category: dict[str, list[Question]], share: int, used: set[int]) -> list[Question]:
    """Take from one category after another, so that none has much more than the others."""
    left = {category: list(reversed(group)) for category, group in by_category.items()}
    own: set[int] = set()
    taken: list[Question] = []
    counts: Counter[str] = Counter()
    while left and len(taken) < share:
        category = min(left, key=lambda name: counts[name])
        question = left[category].pop()
        if not left[category]:
            del left[category]
        if question.picture.id not in used | own:
            own.add(question.picture.id)
            counts[category] += 1
            taken.append(question)
    return taken
