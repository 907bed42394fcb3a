"""Hypothesis without deadlines: the cores are shared."""

from hypothesis import settings

settings.register_profile("shared", deadline=None, max_examples=40)
settings.load_profile("shared")
