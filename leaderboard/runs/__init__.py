"""Finished run folders, read and checked: records, tables, arrays, images. Nothing is trusted."""
