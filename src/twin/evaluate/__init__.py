"""Measurements of the parts against each other and against truth; nothing imports this room."""
