"""One SUMO scenario: its files in a temporary copy, what they say, and the map made from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

from twin.errors import Fault, InputError
from twin.network.model import SingleMap
from twin.network.quality import QualityReport
from twin.network.sumo.convert import designs_of, map_from_net
from twin.network.sumo.detectors import PERIOD_S, Loop, loops_of
from twin.network.sumo.net import UNREADABLE, NetFile, opened, read_net
from twin.network.sumo.programs import SignalDesign
from twin.world.sumo.city import City, is_city, open_city
from twin.world.sumo.meters import Meter

AFTER_LAST_S: Final = 1800.0
_FILES: Final = ("net-file", "route-files", "additional-files", "weight-files")


@dataclass(frozen=True)
class Scene:
    """A scenario ready to run. `config` is the copy; seconds are SUMO's.

    `city` is there when the folder has a map of its own: then that is the map, and its loops stand
    in the additional files. `state` is a state of SUMO at `begin_s` to go on from.
    """

    name: str
    folder: Path
    config: Path
    additional: tuple[Path, ...]
    begin_s: float
    end_s: float
    net: NetFile
    network: SingleMap
    quality: QualityReport
    designs: dict[str, SignalDesign]
    loops: tuple[Loop, ...]
    city: City | None = None
    state: Path | None = None

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The sensors of the map with their loops."""
        if self.city is not None:
            return self.city.meters
        return tuple(Meter(loop.id, PERIOD_S, (loop.id,)) for loop in self.loops)

    def begin_at(self, begin_s: float) -> float:
        """Return how many seconds a later begin lies after the scene's own.

        Raises InputError when it does not lie between begin and end.
        """
        if not self.begin_s < begin_s < self.end_s:
            rule = f"must lie between {self.begin_s:g} and {self.end_s:g} s, SUMO's begin and end"
            raise InputError(Fault("begin", f"{begin_s:g}", rule))
        return begin_s - self.begin_s


def open_scene(
    source: Path, copy: Path, *, end_s: float | None = None, timezone: str = "UTC"
) -> Scene:
    """Copy the single *.sumocfg of a folder with all files that it names, and read them.

    `end_s` is SUMO's time; else the last departure that the file has + 1800 s. Raises
    InputError when there is not exactly one configuration, a file is missing or the end lies before
    the begin, MapError for a network that cannot be read.
    """
    configs = sorted(source.glob("*.sumocfg"))
    if len(configs) != 1:
        rule = f"must hold exactly one *.sumocfg, has {len(configs)}"
        raise InputError(Fault("sumo", str(source), rule))
    root = _xml(configs[0])
    named = {tag: _paths(root, tag) for tag in _FILES}
    if not named["net-file"]:
        raise InputError(Fault("sumo", configs[0].name, "names no net-file", "missing"))
    config = copy / configs[0].name
    copy.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(configs[0], config)
    needed = [name for names in named.values() for name in names]
    for name in dict.fromkeys([*needed, *_other_files(root, source)]):
        _copy(source, copy, name)
    additional = tuple(copy / name for name in named["additional-files"])
    _make_folders(copy, [config, *additional])
    net = read_net(copy / named["net-file"][0], additional=additional)
    network, quality = map_from_net(net, timezone=timezone, name=source.resolve().name)
    routes = [copy / name for name in named["route-files"]]
    scene = Scene(
        name=source.resolve().name,
        folder=copy,
        config=config,
        additional=additional,
        begin_s=_number(root, "begin", 0.0),
        end_s=_end_s(root, [*routes, *additional]) if end_s is None else end_s,
        net=net,
        network=network,
        quality=quality,
        designs=designs_of(net),
        loops=loops_of(network.sensors),
    )
    if scene.end_s <= scene.begin_s:
        rule = f"must lie after the begin of the scenario, {scene.begin_s:g} s"
        raise InputError(Fault("end", f"{scene.end_s:g}", rule))
    return _with_city(scene, source) if is_city(source) else scene


def _with_city(scene: Scene, source: Path) -> Scene:
    city = open_city(source, scene.additional, origin_s=scene.begin_s)
    return replace(scene, network=city.network, quality=city.quality, loops=city.loops, city=city)


def _end_s(root: Xml.Element, demand: list[Path]) -> float:
    """Return the last departure and half an hour, in which most of them arrive.

    Who would start after the end that the file states never starts there; without any departure
    the run ends at that end.
    """
    stated = _number(root, "end", -1.0)
    last = _last_departure_s(demand)
    if stated <= _number(root, "begin", 0.0):
        return last + AFTER_LAST_S
    return min(last, stated) + AFTER_LAST_S if last > 0.0 else stated


def _xml(path: Path) -> Xml.Element:
    try:
        return Xml.parse(path).getroot()
    except (OSError, Xml.ParseError) as error:
        raise InputError(Fault("sumo", str(path), f"cannot be read ({error})")) from error


def _paths(root: Xml.Element, tag: str) -> list[str]:
    values = (element.get("value", element.get("v", "")) for element in root.iter(tag))
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _other_files(root: Xml.Element, source: Path) -> list[str]:
    """Return what else the configuration names that is a file of the folder (views, say)."""
    values = (element.get("value", element.get("v", "")) for element in root.iter())
    names = dict.fromkeys(name.strip() for value in values for name in value.split(","))
    return [name for name in names if name and (source / name).is_file()]


def _number(root: Xml.Element, tag: str, default: float) -> float:
    element = next(root.iter(tag), None)
    text = "" if element is None else element.get("value", element.get("v", ""))
    return seconds(text) if text else default


def seconds(text: str) -> float:
    """Read a time of SUMO: seconds, or H:M:S, or D:H:M:S; -1 for what is no moment."""
    total = 0.0
    try:
        for part, factor in zip(reversed(text.split(":")), (1, 60, 3600, 86400), strict=False):
            total += float(part) * factor
    except ValueError:
        return -1.0
    return total


def _copy(source: Path, copy: Path, name: str) -> None:
    origin, target = source / name, copy / name
    if Path(name).is_absolute() or not target.resolve().is_relative_to(copy.resolve()):
        raise InputError(Fault("sumo", name, "lies outside the folder"))
    if not origin.is_file():
        raise InputError(Fault("sumo", name, "is named by the configuration but missing"))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, target)


def _make_folders(copy: Path, files: Iterable[Path]) -> None:
    """Make the folders into which some files of the copy want to write, or SUMO ends at once."""
    for path in files:
        for name in _told(path):
            folder = (path.parent / name).resolve().parent
            if folder.is_relative_to(copy.resolve()):
                folder.mkdir(parents=True, exist_ok=True)


def _told(path: Path) -> Iterator[str]:
    """Yield everything in a file of SUMO that can be the name of an output in a folder."""
    try:
        with opened(path) as file:
            for _, element in Xml.iterparse(file):
                words = (element.get(key, "") for key in ("value", "v", "file", "output"))
                yield from (word for word in words if "/" in word and "," not in word)
    except UNREADABLE as error:
        raise InputError(Fault("sumo", path.name, f"cannot be read ({error})")) from error


def _last_departure_s(files: list[Path]) -> float:
    """Return when the last vehicle or flow of some files wants to start, 0 when none does."""
    return max((moment for path in files for moment in _departures(path)), default=0.0)


def _departures(path: Path) -> Iterator[float]:
    try:
        with opened(path) as file:
            for _, element in Xml.iterparse(file):
                if element.tag in {"vehicle", "trip", "person"}:
                    yield seconds(element.get("depart", "0"))
                elif element.tag in {"flow", "personFlow"}:
                    yield seconds(element.get("end", "0"))
                if element.tag in {"vehicle", "trip", "flow"}:
                    element.clear()
    except UNREADABLE as error:
        raise InputError(Fault("sumo", path.name, f"cannot be read ({error})")) from error
