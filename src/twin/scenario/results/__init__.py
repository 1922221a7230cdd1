"""Results of a what-if, made from the arrays of its runs; tables and files of them.

`results_of(pair)` makes them all; `write_results(results, folder)` writes them. The reference is
`docs/reference/what-if-results.md`.
"""

from twin.scenario.results.emissions import Factors, read_factors
from twin.scenario.results.whole import Results, results_of

__all__ = ["Factors", "Results", "read_factors", "results_of"]
