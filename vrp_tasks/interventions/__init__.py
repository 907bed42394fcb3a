"""Interventions on a model's inside and on its image, and sweeps of them (method §5)."""
