"""Attention over the image grid, and maps against regions: shapes, entropies, overlap."""
