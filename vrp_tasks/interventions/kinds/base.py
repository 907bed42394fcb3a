"""What the file of an intervention states, and what it is given to work on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from transformers import PreTrainedModel

from metrics.record.interventions import InterventionWords
from vrp_tasks.capture.views import Canvas
from vrp_tasks.families import Family
from vrp_tasks.interventions.ablation import Site
from vrp_tasks.interventions.branches import Answer
from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.ranking import Ranking
from vrp_tasks.interventions.variants import Variant

# rows of a batch: one entry per prompt and variant, None where a variant cannot be had
Targets = list[np.ndarray | None]


@dataclass(frozen=True)
class Prompt:
    """What a sweep needs to know of one prompt.

    ``attended`` is the clean pass's attention to each image token, (S,), or None where there is no
    map; ``grid`` is the map's height and width. Where tokens make up several pictures, ``attended``
    is of the cells of ``canvas``.
    """

    doc_id: str
    identity: str
    attended: np.ndarray | None
    grid: tuple[int, int] | None
    canvas: Canvas | None = None


@dataclass(frozen=True)
class Batch:
    """Prompts that are swept together.

    Attributes
    ----------
    clean, references
        The clean pass and its answers.
    inputs : dict of tensor
        What the processor returned for these prompts.
    prompts : sequence of Prompt
        In batch order.
    ranking : Ranking
        Of the units.
    """

    clean: CleanPass
    references: list[Answer]
    inputs: dict[str, torch.Tensor]
    prompts: Sequence[Prompt]
    ranking: Ranking

    @property
    def model(self) -> PreTrainedModel:
        """The model of the clean pass."""
        return self.clean.model

    @property
    def family(self) -> Family:
        """Its family."""
        return self.clean.family


class Intervention(ABC):
    """One way of taking something away, at all positions, with controls of the same size.

    Attributes
    ----------
    name : str
        In settings and in the sweep's table.
    words : InterventionWords
        What a report says of it; a run writes it into its manifest.
    does, chosen : str
        For the documentation: what is done, and to what, with its control. Markdown.
    site : {"residual", "mlp"} or None
        Which units of a layer must have been recorded, and ranked, on the clean pass.
    resumes : bool
        Whether it starts from what entered its first layer in the clean pass, which then is kept
        for it.
    """

    name: ClassVar[str]
    words: ClassVar[InterventionWords]
    does: ClassVar[str]
    chosen: ClassVar[str] = "–"
    site: ClassVar[Site | None] = None
    resumes: ClassVar[bool] = True

    def complaint(self, model: PreTrainedModel, family: Family) -> str | None:
        """Why it cannot be had of a model, whatever the dose, or None."""
        return None

    def layers(self, plan: SweepPlan, unit_layers: tuple[int, ...]) -> tuple[int | None, ...]:
        """Where it acts, one place at a time; None for every layer at once, or the input."""
        return unit_layers

    def start(self, layer: int | None) -> int:
        """First decoder layer whose input, or own computation, it changes."""
        return layer or 0

    def check(  # noqa: B027 -- most have nothing to check
        self, plan: SweepPlan, layer: int, model: PreTrainedModel, family: Family
    ) -> None:
        """Raise SetupError for doses that a layer of this model cannot have."""

    @abstractmethod
    def variants(self, plan: SweepPlan, layer: int | None) -> Iterator[Variant]:
        """Its doses in one place, with their controls."""

    def target(self, batch: Batch, variant: Variant, prompt: Prompt) -> np.ndarray | None:
        """What one variant acts on in one prompt, bool; None where that cannot be had."""
        return np.ones(1, dtype=bool)

    @abstractmethod
    def answers(self, batch: Batch, group: Group, targets: Targets) -> list[Answer]:
        """Answers of every prompt under every variant of a group, in the order of ``targets``."""


@dataclass(frozen=True)
class Group:
    """Variants of one intervention that act in one place: they can be run as one batch."""

    intervention: Intervention
    layer: int | None
    variants: tuple[Variant, ...]

    @property
    def start(self) -> int:
        """First decoder layer from which they differ."""
        return self.intervention.start(self.layer)
