"""How answers are sampled, and what is measured beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vrp_tasks.errors import SetupError

MAX_SAMPLES = 10_000  # of one question

# detectors that take passes of their own -> what is done for them, per answer
EXTRAS = {
    "blank": "a second prefill, the image blanked (as blank_image=true)",
    "ptrue": "two continuations of one token: is the answer true, alone and among the samples?",
    "verbalized": "three continuations of a few tokens: how sure is the model, as it says itself?",
    "vauq": "a second prefill, the image's attended core hidden, and the answer fed behind it",
    "neurons": "nothing more is run, but n_layers × n_neurons numbers are stored",
    "ccps": "the state behind each answer token pushed five times through the unembedding",
    "alternatives": "nothing more is run, but ten tokens are stored beside each answer token",
    "perturb": "an answer anew for each change of the image: blur, crop, flip, noise, a wrong one",
}


@dataclass(frozen=True)
class CaptureSettings:
    """How answers are sampled, and what is measured beside them.

    Samples pass the logits processors that the answer passes, while top-k and other ways to narrow
    what is sampled from stay off, whatever a checkpoint's generation config asks for.

    Attributes
    ----------
    k : int
        Samples beside each answer; 0 for none.
    temperature : float
        Of the samples.
    top_p : float
        Samples are drawn from the likeliest tokens of so much probability.
    seed : int
        Another seed, other samples.
    top_heads : int
        So many heads make the map of the top-k-heads signals.
    blank_image : bool
        A second prefill, about pictures painted in the processor's mean colour, for the control of
        that name.
    extra : tuple of str
        Detectors that take passes of their own, any of `EXTRAS`.
    """

    k: int = 10
    temperature: float = 0.7
    top_p: float = 0.9
    seed: int = 0
    top_heads: int = 10
    blank_image: bool = False
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings under which the signals would mean something else."""
        if self.k == 1 or self.k < 0:
            raise SetupError(f"k must be at least 2 (or 0 for no sampling), got {self.k}.")
        if self.k > MAX_SAMPLES:
            raise SetupError(f"k must be at most {MAX_SAMPLES}, got {self.k:g}.")
        if self.top_heads < 1:
            raise SetupError(f"top_heads must be at least 1, got {self.top_heads}.")
        unknown = [name for name in self.extra if name not in EXTRAS]
        if unknown:
            raise SetupError(
                f"extra={unknown[0]}: there is no such detector. There are: {', '.join(EXTRAS)}, "
                "several joined by +."
            )
        if not 0 < self.temperature < math.inf:
            raise SetupError(f"temperature must be > 0 and finite, got {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise SetupError(f"top_p must be in (0, 1], got {self.top_p}.")
