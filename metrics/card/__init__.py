"""All figures of one task of one run, from one set of resamples."""
