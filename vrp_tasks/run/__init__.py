"""One evaluation with our tasks: checks before it, the session during it, the run folder."""
