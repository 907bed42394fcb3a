"""Task folders: YAML that lmms-eval reads, and the functions it names."""
