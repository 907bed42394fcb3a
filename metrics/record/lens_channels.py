"""What the logit lens reads of each layer."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.record.channel import Array, Channel


@dataclass(frozen=True)
class LensReading(Channel):
    """The logit lens at the last prompt token, for the given answer's first token.

    ``answer_margin``, shape (n_layers + 1,): its logit less the largest other.
    """

    name = "lens"
    answer_margin: Array


@dataclass(frozen=True)
class LensShares(Channel):
    """What attention and MLP of each layer add to the last margin, each of shape (n_layers,)."""

    name = "lens_shares"
    from_attention: Array
    from_mlp: Array


@dataclass(frozen=True)
class TruthLens(Channel):
    """The same margin for the true answer's first token, shape (n_layers + 1,): an oracle."""

    name = "truth_lens"
    margin: Array
