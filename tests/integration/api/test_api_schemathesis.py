"""What the OpenAPI document promises, tried over a socket with generated requests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api_house import Template, access, open_house, picture, proposal
from twin.api.application import ENDPOINTS
from twin.api.roles import MATRIX, Role
from twin.log.contract import Place
from twin.store.commit import assign, write_commit
from twin.store.records import Commit, DeadLetter

EXAMPLES = 5
# a scenario must fit the map and itself; its form has a schema of its own, GET /scenarios/schema;
# of two moments the first comes first, and a way is named by links or by a road: no schema says so
RULES_BEYOND_SCHEMA = frozenset(
    {
        "POST /api/v1/scenarios",
        "GET /api/v1/forecast/scores/hours",
        "GET /api/v1/history/travel-times",
        "GET /api/v1/history/travel-times.csv",
    }
)
OPERATIONS = sorted(
    f"{row.method} {row.full_path}" for row in ENDPOINTS if row.documented and row.method != "WS"
)


@dataclass
class Address:
    """Where a served house listens, what it promises, and the keys to it."""

    url: str
    schema: Any
    keys: dict[Role, str]


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, house_template: Template
) -> Iterator[Address]:
    """Serve a house with something to find in it, in a thread of its own."""
    folder = tmp_path_factory.mktemp("served")
    opened: list[Address] = []
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        own = Template(house_template.path, house_template.keys)
        async with open_house(folder, own) as house:
            await _fill(house.served.database)
            house.served.board.publish(
                picture(house.served.network, decisions=(proposal(), access()))
            )
            house.served.board.close()  # the endless answers end at once
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            server = uvicorn.Server(uvicorn.Config(house.app, log_level="critical"))
            servers.append(server)
            schema = schemathesis.openapi.from_dict(house.app.openapi())
            opened.append(Address(f"http://127.0.0.1:{port}", schema, house.keys))
            ready.set()
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield opened[0]
    servers[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()


async def _fill(database: Any) -> None:
    place = Place("test", 0)
    _, epochs = await assign(database, [place], "test")
    letter = DeadLetter(
        id="l-1",
        place=Place("reading", 0),
        offset=3,
        arrival_us=1,
        source="the integrator",
        reason="invalid",
        faults=(("speed_kph", "-3", "is not negative"),),
        payload=b'{"id": "r"}',
    )
    commit = Commit(epochs=epochs, decisions=(proposal(), access()), dead_letters=(letter,))
    await write_commit(database, commit)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_the_service_keeps_what_the_document_promises(
    address: Address, operation: str, mode: GenerationMode
) -> None:
    method, path = operation.split()
    tried = address.schema[path][method]
    if mode is GenerationMode.NEGATIVE and not list(tried.iter_parameters()) and not tried.body:
        return  # nothing in it can be wrong
    roles = MATRIX[method, path]
    headers = {"Authorization": f"Bearer {address.keys[min(roles)]}"} if roles else {}

    excluded = [positive_data_acceptance] if operation in RULES_BEYOND_SCHEMA else []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=tried.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(
            base_url=address.url, headers=headers, timeout=20, excluded_checks=excluded
        )

    check()
