"""Figures of the demo, kept: what the product says of the same runs has to stay what it was."""
