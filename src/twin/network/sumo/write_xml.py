"""Small XML files, written element by element in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

Attributes = Mapping[str, str | float | int]


@dataclass(frozen=True, slots=True)
class Element:
    """One element. Numbers are written with at most six decimals, without trailing zeros."""

    tag: str
    attributes: Attributes
    inside: tuple[Element, ...] = ()

    def lines(self, indent: str = "    ") -> Iterable[str]:
        """Yield the lines of the element, indented."""
        words = "".join(f" {name}={_quoted(value)}" for name, value in self.attributes.items())
        if not self.inside:
            yield f"{indent}<{self.tag}{words}/>"
            return
        yield f"{indent}<{self.tag}{words}>"
        for one in self.inside:
            yield from one.lines(indent + "    ")
        yield f"{indent}</{self.tag}>"


def document(root: str, elements: Iterable[Element]) -> str:
    """Write a whole document with the elements below `root`."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{root}>"]
    for element in elements:
        lines += element.lines()
    lines.append(f"</{root}>")
    return "\n".join(lines) + "\n"


def params(**words: str) -> tuple[Element, ...]:
    """Make the `param` children of an element, leaving out what is empty."""
    return tuple(
        Element("param", {"key": key, "value": word}) for key, word in words.items() if word
    )


def number(value: float) -> str:
    """Write a number with at most six decimals, without trailing zeros."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _quoted(value: str | float) -> str:
    return quoteattr(value if isinstance(value, str) else number(value))
