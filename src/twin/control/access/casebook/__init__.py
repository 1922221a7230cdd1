"""Decides a whole history of passages at once, and again when something is learnt later.

Rule sets are data (`ruleset`); facts are what gates, the register and officers say (`facts`).
`evaluate` is a pure function of the facts that are known; `history` calls it at every moment at
which something is learnt, and writes each change as a new version. Because the last evaluation
sees all facts, the order in which they arrived does not matter.
"""
