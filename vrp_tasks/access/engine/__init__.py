"""vLLM in this process: what is asked of the engine, what it answers, and ranks that share it."""
