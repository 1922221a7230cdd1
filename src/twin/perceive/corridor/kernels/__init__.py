"""Loops over arrays for perception: numpy, numba and math only."""
