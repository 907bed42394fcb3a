"""Thresholds with a promise: chosen on one run, kept as a small file, held against another run."""
