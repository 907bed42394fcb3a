"""How many questions a comparison needs, from the clustering of a run that is there."""
