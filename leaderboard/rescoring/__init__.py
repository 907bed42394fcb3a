"""Signals of a finished run computed anew from its stored channels, into a folder of their own."""
