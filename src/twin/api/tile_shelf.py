"""Vector tiles that were asked for, packed and kept: the same few are asked for by every screen."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Final

from twin.network.model import SingleMap
from twin.network.tiles import Tiles

MOST_VERSIONS: Final = 2
MOST_TILES: Final = 1024


class TileShelf:
    """Cut maps and packed tiles, the newest of each. The cutting happens in threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._maps: dict[str, Tiles] = {}
        self._tiles: dict[tuple[str, int, int, int], bytes] = {}
        self._cutting = asyncio.Lock()

    async def packed(
        self, version: str, place: tuple[int, int, int], load: Callable[[], Awaitable[SingleMap]]
    ) -> bytes:
        """Return the tile at (zoom, column, row), gzipped; `load` gives the map if need be."""
        key = (version, *place)
        if key not in self._tiles:
            tiles = await self._of(version, load)
            body = await asyncio.to_thread(tiles.tile, *place)
            self._tiles[key] = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
            while len(self._tiles) > MOST_TILES:
                del self._tiles[next(iter(self._tiles))]
        return self._tiles[key]

    async def _of(self, version: str, load: Callable[[], Awaitable[SingleMap]]) -> Tiles:
        async with self._cutting:  # ten requests for one big map index it once
            if version not in self._maps:
                self._maps[version] = await asyncio.to_thread(Tiles, await load())
                while len(self._maps) > MOST_VERSIONS:
                    del self._maps[next(iter(self._maps))]
            return self._maps[version]
