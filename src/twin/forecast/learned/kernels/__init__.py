"""Loops over arrays for the learned forecast: numpy, numba and math only."""
