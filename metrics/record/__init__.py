"""What was seen of an answer, and the record that a run folder keeps of it: plain data."""
