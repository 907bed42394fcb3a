"""Charts and plots, one file a kind."""
