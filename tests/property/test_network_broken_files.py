"""Whatever is done to the files of a map: it is imported whole and soundly, or refused by name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from network_maps import PLAIN, town
from twin.errors import MapError
from twin.network.gmns import read_gmns, write_gmns
from twin.network.model import SingleMap
from twin.network.quality import QualityReport

Files = dict[str, bytes]


@cache
def own_files() -> tuple[tuple[str, bytes], ...]:
    """Return the files of the map with a bit of everything."""
    with tempfile.TemporaryDirectory() as name:
        write_gmns(town(), Path(name))
        return tuple((path.name, path.read_bytes()) for path in sorted(Path(name).iterdir()))


def plain_files() -> tuple[tuple[str, bytes], ...]:
    """Return the files of a small foreign map with tables that are kept and shared geometry."""
    more = {
        "geometry.csv": 'geometry_id,geometry\ng,"LINESTRING(2 41,2.005 41.001,2.01 41)"\n',
        "lane.csv": "lane_id,link_id,lane_num,width\n1,a,1,3.5\n2,a,2,\n",
        "segment.csv": "segment_id,link_id,ref_node_id,start_lr,end_lr\ns,a,2,0,60\n",
        "segment_lane.csv": "segment_lane_id,segment_id,lane_num\np,s,-1\n",
        "zone.csv": 'zone_id,name,boundary\nz,"A, B","POLYGON((2 41,2.1 41,2.1 41.1,2 41))"\n',
        "demand.csv": "orig_taz,dest_taz,total\n1,2,3\n",
    }
    return tuple((name, text.encode()) for name, text in (PLAIN | more).items())


@contextmanager
def folder_of(files: Files) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        yield Path(name)


CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "NaN", "-1", "0", "13", "1e300", "two", "true", "é", '"', ";", "\\", "999", "a;q"]
    ),
    st.text(max_size=6),
)
CELL = re.compile(rb'"(?:[^"]|"")*"|[^,\n]*')


def with_cell(content: bytes, place: int, cell: str) -> bytes:
    """Replace one cell of a file by other text, unquoted, as a careless hand would."""
    spans = [match.span() for match in CELL.finditer(content)]
    start, end = spans[place % len(spans)]
    return content[:start] + cell.encode("utf-8", "replace") + content[end:]


def with_bytes(content: bytes, place: int, junk: bytes) -> bytes:
    place %= len(content) + 1
    return content[:place] + junk + content[place + len(junk) :]


def without_line(content: bytes, place: int) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[place % len(lines)]
    return b"".join(lines)


def with_line_twice(content: bytes, place: int) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines, lines[place % len(lines)]])


def without_column(content: bytes, place: int) -> bytes:
    """Rename a column to one that nobody knows."""
    head, _, body = content.partition(b"\n")
    columns = head.split(b",")
    columns[place % len(columns)] = b"was_here"
    return b",".join(columns) + b"\n" + body


def damage(content: bytes, kind: str, place: int, *, cell: str, junk: bytes) -> bytes:
    """Do one thing to the content of a file."""
    if kind == "cut":
        return content[: place % (len(content) + 1)]
    if kind == "bytes":
        return with_bytes(content, place, junk)
    if kind == "cell":
        return with_cell(content, place, cell)
    by_line = {"drop": without_line, "twice": with_line_twice, "column": without_column}
    return by_line[kind](content, place) if content else content


@st.composite
def damaged(draw: st.DrawFn) -> Files:
    """Draw a sound folder with one to three things done to its files."""
    files = dict(draw(st.sampled_from([own_files(), plain_files()])))
    kinds = ["cell", "cell", "cell", "bytes", "cut", "drop", "twice", "column", "remove"]
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(files)))
        kind = draw(st.sampled_from(kinds))
        place = draw(st.integers(0, 5000))
        content = files.pop(name)
        if kind != "remove":
            cell, junk = draw(CELLS), draw(st.binary(max_size=4))
            files[name] = damage(content, kind, place, cell=cell, junk=junk)
    return files


def imported(files: Files) -> tuple[SingleMap, QualityReport] | str:
    """Import the files, or return why not; any other error than a MapError goes through."""
    with folder_of(files) as folder:
        try:
            return read_gmns(folder, timezone="UTC")
        except MapError as error:
            return str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(damaged())
def test_a_damaged_folder_is_refused_by_name_or_imported_soundly(files: Files) -> None:
    result = imported(files)
    if isinstance(result, str):
        assert re.search(r"\w\.csv|: map ", result), result
        return
    network, report = result
    assert report.counts["links"] == len(network.links)
    report.to_json()
    report.to_text()
    assert_survives(network)


def assert_survives(network: SingleMap) -> None:
    with tempfile.TemporaryDirectory() as name:
        write_gmns(network, Path(name))
        assert read_gmns(Path(name))[0].version == network.version


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_junk_in_place_of_a_table_is_refused(junk: bytes) -> None:
    result = imported(dict(plain_files()) | {"node.csv": junk})
    assert isinstance(result, str)
    assert "node.csv" in result
