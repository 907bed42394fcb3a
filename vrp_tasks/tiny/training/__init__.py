"""Training of the shipped tiny checkpoints: ``python -m vrp_tasks.tiny.training``."""
