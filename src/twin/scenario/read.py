"""Reads a scenario file, YAML or JSON; a fault names field, value, rule and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from twin.errors import Fault, InputError
from twin.scenario.form import Scenario

MOST_BYTES: Final = 1_000_000
_MOST_DEPTH: Final = 20
_FIELD: Final = re.compile(r"field `(?P<name>[^`]*)`")
_MOST_PLACES: Final = 200_000  # aliases of aliases unfold into millions
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}

Lines = dict[str, int]
"""Line of each value by its path (`$.edits[0].link`), 1 is the first."""


def read_scenario(content: bytes) -> Scenario:
    """Return what a file says. Raises InputError naming what is wrong and where."""
    if len(content) > MOST_BYTES:
        fault = Fault("$", f"{len(content)} bytes", f"has at most {MOST_BYTES}", "too_large")
        raise InputError(fault)
    document, lines = _document(content)
    try:
        # words of YAML come as text: a link called 012 stays one, a flow of 900 is a number
        return msgspec.convert(document, Scenario, strict=not lines)
    except msgspec.ValidationError as error:
        raise InputError(_fault(str(error), document, lines)) from error


def located(fault: Fault, content: bytes) -> Fault:
    """Return a fault that was found later with the line of its field, where the file has it."""
    _, lines = _document(content)
    where = f"$.{fault.field}" if not fault.field.startswith("$") else fault.field
    if where not in lines:
        return fault
    return Fault(fault.field, fault.value, f"{fault.rule} (line {lines[where]})", fault.reason)


def _document(content: bytes) -> tuple[Any, Lines]:
    """Return plain values and the line of each. Raises InputError for what is no YAML."""
    try:
        text = content.decode("utf-8")
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text), {}
        node = yaml.compose(text, _LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error)
        rule = f"is YAML or JSON in UTF-8: {problem}{where}"
        raise InputError(Fault("$", "", rule, "undecodable")) from error
    lines: Lines = {}
    return (None if node is None else _value(node, "$", lines, set())), lines


def _value(node: yaml.Node, path: str, lines: Lines, above: set[int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if id(node) in above or len(above) > _MOST_DEPTH or len(lines) > _MOST_PLACES:
        raise InputError(Fault(path[:80], "", f"nests too deep (line {line})"))
    inside = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, f"{path}[{n}]", lines, inside) for n, one in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return dict(_members(node, path, lines, inside))
    return _scalar(node)


def _members(
    node: yaml.MappingNode, path: str, lines: Lines, above: set[int]
) -> Iterator[tuple[str, Any]]:
    """Yield the members of a mapping. Raises InputError for a name that stands there twice."""
    seen = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise InputError(Fault(f"{path}.{name}", "", f"stands there twice (line {line})"))
        seen.add(name)
        lines[f"{path}.{name}"] = line
        yield name, _value(value, f"{path}.{name}", lines, above)


def _scalar(node: yaml.Node) -> Any:
    """Return a word as its text, but for true, false and null: 17:30 and 012 stay so."""
    text = str(node.value)
    quoted = getattr(node, "style", None) in ("'", '"', "|", ">")
    return text if quoted else _WORDS.get(text.lower(), text)


def _fault(message: str, document: Any, lines: Lines) -> Fault:
    """Turn msgspec's words into field, value, rule and line."""
    rule, _, where = message.partition(" - at ")
    path = where.strip("`") or "$"
    named = _FIELD.search(rule)
    value = "" if named else _shown(_dig(document, path))
    field = f"{path}.{named['name']}" if named else path
    if named and "missing" in rule:
        value = "(missing)"
    line = lines.get(field, lines.get(path))
    told = f"{rule} (line {line})" if line is not None else rule
    return Fault(field.removeprefix("$."), value, told)


def _dig(document: Any, path: str) -> Any:
    found = document
    for name, row in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path):
        try:
            found = found[int(row)] if row else found[name]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
