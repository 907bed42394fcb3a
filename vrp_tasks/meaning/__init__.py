"""Other models that compare the answers of a finished run: entailment, embeddings."""
