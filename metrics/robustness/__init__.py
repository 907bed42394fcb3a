"""How an answer falls with the dose of an intervention."""
