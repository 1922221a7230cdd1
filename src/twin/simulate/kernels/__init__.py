"""Loops over arrays for traffic physics: numpy, numba and math only."""
