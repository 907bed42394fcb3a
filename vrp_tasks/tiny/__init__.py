"""Small models for tests and the demo: their world, how they are trained, and the checkpoints."""
