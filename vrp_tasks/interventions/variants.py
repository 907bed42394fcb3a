"""One dose of an intervention, as it stands in a row of the sweep's table."""

from __future__ import annotations

from dataclasses import dataclass

RANKED, LEAST, RANDOM, EVERY = "ranked", "least", "random", "all"


@dataclass(frozen=True)
class Variant:
    """One intervention at one dose; names as in `metrics.record.records.TABLES`."""

    intervention: str
    choice: str
    fill: str
    layer: int | None
    dose: float
    unit: str
    seed: int | None = None

    def n_of(self, total: int) -> int:
        """How many of ``total`` units or cells this is; at least one."""
        return max(1, round(self.dose * total)) if self.unit == "share" else int(self.dose)


def with_random(seeds: int, *choices: str) -> list[tuple[str, int | None]]:
    """Choices without a seed, then the random one with each of ``seeds`` seeds."""
    return [(choice, None) for choice in choices] + [(RANDOM, seed) for seed in range(seeds)]
