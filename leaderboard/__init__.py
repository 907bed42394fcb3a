"""Reads run folders and tells how well each signal knows right answers from wrong ones."""
