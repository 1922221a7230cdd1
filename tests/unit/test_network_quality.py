"""The report about a map, for a person and for a program."""

from __future__ import annotations

import json

from network_maps import link, movement, node, town
from twin.network.build import build_map
from twin.network.model import TurnKind
from twin.network.quality import Findings, Severity, check_map


def test_a_report_tells_counts_and_findings_with_all_ids() -> None:
    findings = Findings()
    findings.add("a", "link", "is odd", severity=Severity.INFO, ids=map(str, range(20)))
    findings.add("b", "node", "is bad", severity=Severity.ERROR, ids=["n"])
    findings.add("c", "node", "is fine", severity=Severity.ERROR, ids=[])
    report = findings.report(town())
    document = json.loads(report.to_json())
    assert document["counts"]["links"] == 4
    assert document["severities"] == {"info": 1, "warning": 2, "error": 1}
    codes = {entry["code"]: entry for entry in document["findings"]}
    assert codes.keys() == {"a", "b", "filled_lanes", "no_way_on"}
    assert codes["a"]["count"] == len(codes["a"]["ids"]) == 20


def test_the_text_puts_the_worst_first_and_shortens_lists() -> None:
    findings = Findings()
    findings.add("a", "link", "is odd", severity=Severity.INFO, ids=map(str, range(20)))
    findings.add("b", "node", "is bad", severity=Severity.ERROR, ids=["n"])
    text = findings.report(town()).to_text()
    lines = text.splitlines()
    assert lines[0].startswith("4 nodes  4 links  3 lanes")
    assert lines[1] == "ERROR   b  node: is bad"
    assert lines[-1].strip() == "0, 1, 2, 3, 4, 5, 6, 7 … (20 in all)"


def test_findings_of_one_kind_are_one() -> None:
    findings = Findings()
    for name in ("p", "q"):
        findings.add("a", "link", "is odd", severity=Severity.INFO, ids=[name])
    found = findings.report(town()).find("a")
    assert found is not None
    assert found.ids == ("p", "q")


def test_a_link_from_which_nothing_leads_on_is_found() -> None:
    links = (link("w", "x"), link("x", "e"), link("n", "x"))
    network = build_map(
        name="m",
        timezone="UTC",
        nodes=[node(name) for name in "wxen"],
        links=links,
        movements=(movement("w-x", "x-e", TurnKind.THRU),),
    )
    found = check_map(network).find("no_way_on")
    assert found is not None
    assert found.ids == ("n-x",)


def test_a_map_without_trouble_says_so() -> None:
    network = build_map(
        name="m", timezone="UTC", nodes=[node("w"), node("x")], links=[link("w", "x")]
    )
    assert check_map(network).to_text().endswith("nothing to report")
