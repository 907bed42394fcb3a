"""What is computed from runs: cards, sweeps, grounding, ranks; kept in a cache by content."""
