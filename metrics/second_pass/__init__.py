"""What is done with all answers of a task once they are there, from stored channels alone."""
