"""``vrp_shapes``: the benchmark of the shapes world."""
