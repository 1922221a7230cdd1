"""How much of a map hangs together: islands, and links from which nobody comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import networkx as nx

from twin.ids import LinkId
from twin.network.model import Link, Movement
from twin.network.quality import Findings, Severity

_ENOUGH: Final = 0.9  # of the length in one piece; a town with less has a fault worth a look


def report_connection(
    links: Sequence[Link], movements: Sequence[Movement], findings: Findings
) -> None:
    """Report the share of the length in the largest part where everybody can drive everywhere.

    What is joined to that part in one direction only (`one_way_in_or_out`: ends of one-way roads
    at the edge of an extract) and what is not joined at all (`island`) is named link by link.
    """
    graph: nx.DiGraph[LinkId] = nx.DiGraph()
    graph.add_nodes_from(link.id for link in links)
    graph.add_edges_from((one.from_link, one.to_link) for one in movements)
    length_m = {link.id: link.length_m for link in links}

    def size(part: set[LinkId]) -> tuple[float, str]:
        return sum(length_m[link] for link in sorted(part)), min(part)

    strong = max(nx.strongly_connected_components(graph), key=size)
    main = next(part for part in nx.weakly_connected_components(graph) if strong <= part)
    share = size(strong)[0] / sum(length_m.values())
    findings.add(
        "connected_share",
        "link",
        f"{share:.1%} of the length is in the largest part where every link can be reached from"
        " every other",
        severity=Severity.INFO if share >= _ENOUGH else Severity.WARNING,
    )
    findings.add(
        "island",
        "link",
        "not joined to the largest part at all",
        severity=Severity.WARNING,
        ids=[link.id for link in links if link.id not in main],
    )
    findings.add(
        "one_way_in_or_out",
        "link",
        "joined to the largest part in one direction only",
        severity=Severity.INFO,
        ids=[link.id for link in links if link.id in main and link.id not in strong],
    )
