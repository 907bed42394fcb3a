"""lmms-eval adapters that serve `generate` with capture; the stock adapter does everything else."""
