"""Benchmarks whose images say where the evidence is, on top of lmms-eval's own tasks."""
