"""A streaming traffic digital twin: one live, running copy of a road network."""

__version__ = "0.1.0"
