"""A fitted model as a file: arrays alone, with the links that it is about, for the live service."""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from twin.columns import Ints, Rows
from twin.errors import Fault, InputError
from twin.forecast.learned.features import NAMES
from twin.forecast.learned.linear import Linear
from twin.forecast.learned.model import Model
from twin.forecast.learned.neighbours import Neighbours
from twin.forecast.learned.trees import Trees

FORMAT: Final = 1
_PARTS: Final = {"near": Neighbours, "linear": Linear, "trees": Trees, "silent_trees": Trees}
_PLAIN: Final = ("fade", "high", "together")


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model and the ids of the links that its columns are; `hash` names the content."""

    model: Model
    links: tuple[str, ...]
    hash: str


def save_model(path: Path, model: Model, links: tuple[str, ...]) -> None:
    """Write a model. The same model makes the same arrays."""
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "links": np.array(links),
        "features": np.array(NAMES),
    }
    for name in _PLAIN:
        if (value := getattr(model, name)) is not None:
            arrays[name] = value
    for name in _PARTS:
        part = getattr(model, name)
        if part is not None:
            arrays |= {f"{name}.{one.name}": getattr(part, one.name) for one in fields(part)}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_model(path: Path) -> SavedModel:
    """Read what `save_model` wrote. Raises InputError for anything else."""
    try:
        with path.open("rb") as held, np.load(held, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays["format"]) != FORMAT or tuple(arrays["features"].tolist()) != NAMES:
            rule = "was trained by another version; train it again (twin forecast train)"
            raise InputError(Fault("model", str(path), rule))
        parts: dict[str, Any] = {name: _part(arrays, name, kind) for name, kind in _PARTS.items()}
        model = Model(**parts | {name: arrays.get(name) for name in _PLAIN})
        return SavedModel(model, tuple(map(str, arrays["links"])), _hash(arrays))
    except (OSError, KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
        rule = f"is no model of a forecast ({type(error).__name__}: {error})"
        raise InputError(Fault("model", str(path), rule)) from error


def _part(arrays: dict[str, npt.NDArray[Any]], name: str, kind: type) -> Any:
    names = [one.name for one in fields(kind)]
    if f"{name}.{names[0]}" not in arrays:
        return None
    return kind(*(arrays[f"{name}.{one}"] for one in names))


def _hash(arrays: dict[str, npt.NDArray[Any]]) -> str:
    digest = blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype.str}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def fitted_to(saved: SavedModel, links: tuple[str, ...], near: Neighbours) -> Model:
    """Return the model for these links; one that it does not know gets what all share.

    near   who stands near whom on the map: for links that the model does not know
    """
    known = {name: row for row, name in enumerate(saved.links)}
    old: Ints = np.array([known.get(name, -1) for name in links], np.int64)
    model, here = saved.model, old >= 0
    place = np.full(len(saved.links) + 1, -1, np.int64)
    place[old[here]] = np.flatnonzero(here)

    def moved(name: str) -> Rows:
        rows: Rows = getattr(near, name).copy()
        rows[here] = place[getattr(model.near, name)[old[here]]]
        return rows

    linear = model.linear
    if linear is not None:
        own = np.repeat(linear.shared[:, None], len(links), axis=1)
        own[:, here] = linear.own[:, old[here]]
        linear = Linear(linear.shared, own)
    return Model(
        near=Neighbours(*(moved(one.name) for one in fields(Neighbours))),
        fade=model.fade,
        high=None if model.high is None else np.where(here, model.high[old], np.nan),
        together=None
        if model.together is None
        else np.where(here[:, None, None, None], model.together[old], 0.0),
        linear=linear,
        trees=model.trees,
        silent_trees=model.silent_trees,
    )
