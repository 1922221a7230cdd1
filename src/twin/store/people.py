"""API keys, sessions and one-time login links. Only hashes of secrets are kept.

A secret has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, or_, select, update

from twin.store.database import Database
from twin.store.tables import api_key, login_link, session

KEY_PREFIX: Final = "twk"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the name stands in audit rows and accounting."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """An API key as it may be shown: without its secret."""

    id: str
    name: str
    role: str
    created_us: int
    expires_us: int | None
    revoked_us: int | None


async def create_key(
    database: Database, *, name: str, role: str, now_us: int, expires_us: int | None = None
) -> str:
    """Make a key and return it in clear, `twk_<id>_<secret>`: nobody can read it again."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    values = {"id": key_id, "name": name, "role": role, "secret_hash": _hash(secret)}
    async with database.write() as connection:
        await connection.execute(
            api_key.insert().values(**values, created_us=now_us, expires_us=expires_us)
        )
    return f"{KEY_PREFIX}_{key_id}_{secret}"


async def find_key(database: Database, clear: str, *, now_us: int) -> Person | None:
    """Return whose key this is; None if it is unknown, wrong, expired or revoked."""
    prefix, _, rest = clear.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != KEY_PREFIX or not secret:
        return None
    query = select(api_key).where(api_key.c.id == key_id, api_key.c.revoked_us.is_(None))
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        return None
    if row.expires_us is not None and row.expires_us <= now_us:
        return None
    return Person(row.name, row.role)


async def list_keys(database: Database) -> list[KeyEntry]:
    """Return every key, oldest first."""
    query = select(api_key).order_by(api_key.c.created_us, api_key.c.id)
    async with database.read() as connection:
        return [
            KeyEntry(row.id, row.name, row.role, row.created_us, row.expires_us, row.revoked_us)
            for row in await connection.execute(query)
        ]


async def revoke_key(database: Database, key_id: str, *, now_us: int) -> bool:
    """End a key; False if there is none, or it had ended before."""
    async with database.write() as connection:
        ended = await connection.execute(
            update(api_key)
            .where(api_key.c.id == key_id, api_key.c.revoked_us.is_(None))
            .values(revoked_us=now_us)
        )
    return ended.rowcount == 1


async def create_login_link(database: Database, *, name: str, role: str, expires_us: int) -> str:
    """Make a code that opens one session, once."""
    code = secrets.token_urlsafe(32)
    async with database.write() as connection:
        await connection.execute(
            login_link.insert().values(
                secret_hash=_hash(code), name=name, role=role, expires_us=expires_us
            )
        )
    return code


async def use_login_link(
    database: Database, code: str, *, now_us: int, session_until_us: int
) -> tuple[str, Person] | None:
    """Turn a code into a session, once: (session secret, person). None: used, expired, unknown."""
    async with database.write() as connection:
        used = await connection.execute(
            update(login_link)
            .where(login_link.c.secret_hash == _hash(code), login_link.c.used_us.is_(None))
            .where(login_link.c.expires_us > now_us)
            .values(used_us=now_us)
            .returning(login_link.c.name, login_link.c.role)
        )
        row = used.one_or_none()
        if row is None:
            return None
        secret = secrets.token_urlsafe(32)
        await connection.execute(
            session.insert().values(
                secret_hash=_hash(secret),
                name=row.name,
                role=row.role,
                created_us=now_us,
                expires_us=session_until_us,
            )
        )
    return secret, Person(row.name, row.role)


async def find_session(database: Database, secret: str, *, now_us: int) -> Person | None:
    """Return whose session this is; None if it is unknown or over."""
    query = select(session.c.name, session.c.role).where(
        session.c.secret_hash == _hash(secret), session.c.expires_us > now_us
    )
    async with database.read() as connection:
        row = (await connection.execute(query)).one_or_none()
    return None if row is None else Person(row.name, row.role)


async def end_session(database: Database, secret: str) -> None:
    """Log out."""
    async with database.write() as connection:
        await connection.execute(delete(session).where(session.c.secret_hash == _hash(secret)))


async def tidy(database: Database, *, now_us: int) -> None:
    """Remove sessions that are over and links that were used or have expired."""
    async with database.write() as connection:
        await connection.execute(delete(session).where(session.c.expires_us <= now_us))
        over = or_(login_link.c.used_us.is_not(None), login_link.c.expires_us <= now_us)
        await connection.execute(delete(login_link).where(over))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
