"""A GMNS folder as a whole: read one into a map, write a map into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin.errors import MapError
from twin.network.build import build_map
from twin.network.gmns import lanes, links, movements, nodes, roadside, signals
from twin.network.gmns.geometries import unused_geometries
from twin.network.gmns.kept import OWN_PREFIX, read_kept
from twin.network.gmns.phases import read_phases
from twin.network.gmns.schema import MODELLED, SCHEMA
from twin.network.gmns.sheets import sheet_text
from twin.network.gmns.source import Source, open_source
from twin.network.model import Extra, Junction, Movement, SingleMap, Table
from twin.network.quality import QualityReport, Severity

_CONFIG_FIELDS: Final = frozenset(SCHEMA["config"].columns) - {"currency"}
_META: Final = "meta."


def read_gmns(folder: Path, *, timezone: str | None = None) -> tuple[SingleMap, QualityReport]:
    """Read a GMNS 0.94 to 0.96 folder with our extra tables, if it has them.

    `timezone` stands in where the folder does not say one (GMNS cannot); UTC otherwise. MapError
    names the file, line, field, value and rule that stopped the import; then nothing is imported.
    """
    source = open_source(folder)
    own = _own_settings(source)
    node_list = nodes.read_nodes(source)
    link_list = links.read_links(source, node_list)
    by_id = {str(link.id): link for link in link_list}
    movement_list = movements.read_movements(source, by_id)
    tables = read_kept(
        source,
        {
            "node": {node.id for node in node_list},
            "link": by_id,
            "movement": {movement.id for movement in movement_list},
        },
    )
    used = {dict(link.extra).get("geometry_id", "") for link in link_list}
    unused = unused_geometries(source, used)
    parts: dict[str, Any] = {
        "name": _name(source),
        "timezone": _timezone(source, own, timezone),
        "nodes": node_list,
        "links": link_list,
        "lanes": lanes.read_lanes(source, by_id),
        "movements": movement_list,
        "junctions": _junctions(source, movement_list),
        "sensors": roadside.read_sensors(source),
        "gates": roadside.read_gates(source),
        "zones": nodes.read_zones(source, node_list),
        "features": roadside.read_features(source),
        "tables": [*tables, *([unused] if unused else [])],
        "meta": _meta(source, own),
    }
    try:
        network = build_map(**parts)
    except MapError as error:
        raise MapError(f"{folder}: {error}") from error
    return network, source.findings.report(network)


def _junctions(source: Source, movement_list: Sequence[Movement]) -> list[Junction]:
    """Read the junctions of our own tables; without them, what the signal tables of GMNS tell."""
    if "twin_map" in source.sheets:
        return signals.read_junctions(source)
    return read_phases(source, {movement.id: movement for movement in movement_list})


def _name(source: Source) -> str:
    words = source.sheet("config").words("dataset_name")
    return (words[0] if words else "") or source.folder.resolve().name


def _own_settings(source: Source) -> dict[str, str]:
    sheet, keys = source.keyed("twin_map", "key")
    return dict(zip(keys, sheet.texts("value"), strict=True))


def _timezone(source: Source, own: Mapping[str, str], stand_in: str | None) -> str:
    if "timezone" in own:
        return own["timezone"]
    if stand_in is None:
        source.findings.add(
            "timezone_unknown",
            "config",
            "the folder does not say its time zone: taken as UTC",
            severity=Severity.WARNING,
        )
    return stand_in or "UTC"


def _meta(source: Source, own: Mapping[str, str]) -> Extra:
    config = source.sheet("config")
    fields = {
        column: config.texts(column)[0]
        for column in config.columns
        if column not in _CONFIG_FIELDS and config.rows
    }
    fields |= {key.removeprefix(_META): own[key] for key in own if key.startswith(_META)}
    return tuple(fields.items())


@dataclass
class _Folder:
    """The files of a folder before they are written."""

    texts: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, rows: Iterable[Mapping[str, str]], columns: Iterable[str]) -> None:
        """Write a table: the given columns first, then whatever else its rows have."""
        content = list(rows)
        if content:
            others = sorted({column for row in content for column in row} - set(columns))
            self.texts[name] = sheet_text([*columns, *others], content)

    def put_gmns(self, name: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Write a table of GMNS with all the columns of its schema."""
        self.put(name, rows, list(SCHEMA[name].columns))


def write_gmns(network: SingleMap, folder: Path) -> None:
    """Write a map as a GMNS 0.96 folder; reading it gives a map of the same version.

    Coordinates are WGS84, lengths metres (links: kilometres), speeds km/h. Tables of an earlier
    map in the folder are replaced or removed. MapError when the folder holds another CSV file,
    which a later import would take for a part of this map, or cannot be written.
    """
    files = _files(network)
    _refuse_strangers(folder, set(files.texts))
    try:
        _write(folder, files.texts)
    except OSError as error:
        message = f"{folder}: cannot be written: {error.strerror}"
        raise MapError(message) from error


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files beside the old ones before any of those is touched."""
    folder.mkdir(parents=True, exist_ok=True)
    drafts = {folder / f"{name}.csv": folder / f".{name}.part" for name in texts}
    try:
        for path, draft in drafts.items():
            draft.write_text(texts[path.stem], encoding="utf-8", newline="")
        for path in folder.glob("*.csv"):
            if path not in drafts:
                path.unlink()
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _refuse_strangers(folder: Path, names: set[str]) -> None:
    for path in sorted(folder.glob("*.csv")):
        known = path.stem in SCHEMA or path.stem.startswith(OWN_PREFIX) or path.stem in names
        if not known:
            message = f"{path}: is no part of this map; move it away or choose another folder"
            raise MapError(message)


def _files(network: SingleMap) -> _Folder:
    files = _Folder()
    files.put_gmns("config", [_config(network)])
    files.put_gmns("node", nodes.node_rows(network.nodes))
    rows = list(links.link_rows(network.links))
    files.put_gmns("link", [row for row, _ in rows])
    geometries = [
        {"geometry_id": shape[0], "geometry": shape[1]} for _, shape in rows if shape is not None
    ]
    kept = {table.name: table for table in network.tables}
    files.put_gmns("geometry", [*geometries, *_records(kept.pop("geometry", None))])
    files.put_gmns("lane", lanes.lane_rows(network))
    files.put_gmns("movement", movements.movement_rows(network.movements))
    files.put_gmns("zone", nodes.zone_rows(network.zones))
    if "movement" not in files.texts:
        files.texts["movement"] = sheet_text(list(SCHEMA["movement"].columns), [])
    _put_own(files, network)
    for name, table in kept.items():
        _put_kept(files, name, table)
    return files


def _config(network: SingleMap) -> dict[str, str]:
    return {
        "dataset_name": network.name,
        "short_length": "meter",
        "long_length": "kilometer",
        "speed": "kph",
        "crs": "EPSG:4326",
        "geometry_field_format": "wkt",
        "currency": dict(network.meta).get("currency", ""),
        "version_number": "0.96",
        "id_type": "string",
    }


def _records(table: Table | None) -> Iterable[dict[str, str]]:
    if table is None:
        return []
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _put_own(files: _Folder, network: SingleMap) -> None:
    """Write our own tables, each only where there is something to say."""
    settings = [{"key": "timezone", "value": network.timezone}]
    settings += [{"key": _META + k, "value": v} for k, v in network.meta if k != "currency"]
    junctions = network.junctions
    own: dict[str, Iterable[Mapping[str, str]]] = {
        "twin_map": settings,
        "twin_link": links.twin_link_rows(network.links),
        "twin_lane": lanes.pocket_rows(network),
        "twin_movement": movements.twin_movement_rows(network.movements),
        "twin_zone": nodes.twin_zone_rows(network.zones),
        "twin_sensor": roadside.sensor_rows(network.sensors),
        "twin_gate": roadside.gate_rows(network.gates),
        "twin_feature": roadside.feature_rows(network.features),
        "twin_junction": signals.junction_rows(junctions),
        "twin_signal_group": signals.group_rows(junctions),
        "twin_stage": signals.stage_rows(junctions),
        "twin_intergreen": signals.intergreen_rows(junctions),
        "twin_plan": signals.plan_rows(junctions),
    }
    for name, rows in own.items():
        content = list(rows)
        files.put(name, content, dict.fromkeys(column for row in content for column in row))


def _put_kept(files: _Folder, name: str, table: Table) -> None:
    if name in MODELLED or name.startswith(OWN_PREFIX):
        message = f"a kept table cannot be called {name!r}: the map writes that file itself"
        raise MapError(message)
    columns = list(SCHEMA[name].columns) if name in SCHEMA else list(table.columns)
    others = [column for column in table.columns if column not in columns]
    files.texts[name] = sheet_text([*columns, *others], _records(table))
