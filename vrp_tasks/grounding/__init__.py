"""Where a model looks, by the question's words and by its answer, against annotated regions."""
