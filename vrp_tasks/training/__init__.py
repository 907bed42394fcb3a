"""Training of the shipped tiny checkpoints on the shapes world: ``python -m vrp_tasks.training``."""
