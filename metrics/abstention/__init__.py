"""Above which value of a signal an answer may be shown, with a guarantee."""
