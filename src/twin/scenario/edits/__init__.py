"""Edits: each changes a copy of the base, can be undone, told in words, and shown on a map."""
