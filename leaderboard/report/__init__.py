"""The report: its parts in order, their contents, the page and the CSV."""
