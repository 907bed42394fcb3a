"""Adapters in lmms-eval's own form: for any model, and for a family that lmms-eval lacks."""
