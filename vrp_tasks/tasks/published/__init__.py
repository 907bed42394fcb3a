"""Published benchmarks: a few lines of YAML each, on top of lmms-eval's own tasks."""
