"""Every change to code that is not ours, one file each: see README.md in this folder."""
