"""The web console's files, and a plain page where they have not been built."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import Path as PathParameter
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, Response

from twin.api.auth import House
from twin.api.problems import Problem
from twin.api.routes import Endpoint

_HASHED: Final = "public, max-age=31536000, immutable"
_PACKED: Final = (".html", ".js", ".css", ".svg", ".json")
_NOT_PAGES: Final = ("api/", "health/", "metrics")

UNBUILT: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>twin</title>
</head>
<body>
<h1>twin is running</h1>
<p>The console has not been built into this checkout. <code>make console</code> builds it
(Node 20.19 or later); then load this page again.</p>
<ul>
<li><a href="/api/v1/openapi.json">the API, as OpenAPI 3.1</a></li>
<li><a href="/api/v1/asyncapi.json">the event streams, as AsyncAPI 3</a></li>
<li><a href="/health/ready">does the service do its work?</a></li>
<li><a href="/metrics">its numbers</a></li>
</ul>
</body>
</html>
"""


async def console_page(
    request: Request,
    served: House,
    page: Annotated[str, PathParameter(description="a file of the console, or one of its screens")],
) -> Response:
    """Give a file of the console; any other address is one of its screens: the first page."""
    if page.startswith(_NOT_PAGES):
        raise Problem(404, "There is nothing at this address; /api/v1/openapi.json lists the API.")
    found = await run_in_threadpool(_file, served.console, page)
    if found is None:
        if "." in page.rpartition("/")[2] and "text/html" not in request.headers.get("accept", ""):
            raise Problem(404, "The console has no such file.")
        return HTMLResponse(UNBUILT, headers={"Cache-Control": "no-store"})
    cache = _HASHED if "assets" in found.relative_to(served.console).parts else "no-cache"
    kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if found.suffix in _PACKED and "gzip" in request.headers.get("accept-encoding", ""):
        packed = await run_in_threadpool(_packed, found, found.stat().st_mtime_ns)
        return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=kind)
    return FileResponse(found, headers=headers, media_type=kind)


@lru_cache(maxsize=32)  # a build of the console has some ten files
def _packed(path: Path, changed_ns: int) -> bytes:
    """Return a file gzipped; `changed_ns` tells one build's file from the next one's."""
    return gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)


def _file(folder: Path, page: str) -> Path | None:
    """Return the file of a page inside the folder, its first page for a screen, None without one.

    A path that leads out of the folder is a screen like any other unknown name.
    """
    if "\0" in page:
        return None
    root = folder.resolve()
    wanted = (root / page).resolve()
    if wanted.is_file() and wanted.is_relative_to(root):
        return wanted
    if "." in page.rpartition("/")[2] and page != "index.html":
        return None
    first = root / "index.html"
    return first if first.is_file() else None


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/{page:path}",
        handler=console_page,
        summary="The console",
        tag="console",
        prefix="",
        documented=False,
    ),
)
