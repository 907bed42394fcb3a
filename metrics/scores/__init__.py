"""How well a score tells right from wrong: discrimination, selection, ranks, intervals."""
