"""The release check: two runs, gates, verdicts."""
