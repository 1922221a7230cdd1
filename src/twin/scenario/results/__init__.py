"""Results of a what-if, made from the arrays of its runs; tables and files of them.

`results_of(pair)` makes them all; `write_results(results, folder)` writes them. The reference is
`docs/reference/what-if-results.md`.
"""

from twin.scenario.results.emissions import Factors, read_factors
from twin.scenario.results.export import Format, write_results
from twin.scenario.results.whole import Results, results_of

__all__ = ["Factors", "Format", "Results", "read_factors", "results_of", "write_results"]
