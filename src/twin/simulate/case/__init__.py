"""Bare cases: a network or one node written down in a file, run and written out in numbers."""
