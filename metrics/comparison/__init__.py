"""Two things compared: differences, margins, adjusted p-values, what could be seen."""
