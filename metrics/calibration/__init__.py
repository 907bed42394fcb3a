"""Probabilities against what came true: errors of calibration and their intervals."""
