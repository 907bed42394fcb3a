"""Adapters in lmms-eval's own form, for families that lmms-eval lacks."""
