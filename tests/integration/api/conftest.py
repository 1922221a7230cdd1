"""Fixtures of the API's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api_house import House, Template, make_template, open_house


@pytest.fixture(scope="session")
def house_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Make the database that every house starts with, once."""
    return asyncio.run(make_template(tmp_path_factory.mktemp("template")))


@pytest.fixture
async def house(tmp_path: Path, house_template: Template) -> AsyncIterator[House]:
    """Give a served house without a picture."""
    async with open_house(tmp_path, house_template) as opened:
        yield opened
