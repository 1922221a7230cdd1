"""The authorisations in force, by token; and what each says about one moment in one zone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.clock import us_from_datetime
from twin.control.access.reasons import AccessReason, AccessState, window_rule
from twin.control.access.rules import AccessRules
from twin.control.access.windows import local_time
from twin.events import Authorisation

_RANK = {
    AccessState.ADMIT: 0,
    AccessState.ADMIT_FLAG: 1,
    AccessState.REVIEW: 2,
    AccessState.DENY: 3,
    AccessState.UNREAD: 4,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided about one vehicle at one zone, and by which authorisation and window."""

    state: AccessState
    reason: str
    authorisation: str = ""
    profile: str = ""
    window: str = ""

    @property
    def rank(self) -> int:
        """Order of favour to the driver: 0 is the best."""
        return _RANK[self.state]


@dataclass(frozen=True, slots=True)
class _Right:
    """The newest version of one authorisation, its times in microseconds (None: open)."""

    authorisation: str
    version: tuple[int, str]
    profile: str
    zone: str
    tokens: frozenset[str]
    from_us: int
    to_us: int | None
    revoked_us: int | None


class Register:
    """Every authorisation that was told, the newest version of each."""

    def __init__(self) -> None:
        self._rights: dict[str, _Right] = {}
        self._by_token: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._rights)

    def learn(self, event: Authorisation) -> None:
        """Take in one version; an older one than the known changes nothing, whatever the order."""
        time_us = us_from_datetime(event.time)
        known = self._rights.get(event.authorisation)
        if known is not None and known.version >= (time_us, event.id):
            return
        if known is not None:
            for token in known.tokens:
                holders = self._by_token[token]
                holders.discard(event.authorisation)
                if not holders:
                    del self._by_token[token]
        self._rights[event.authorisation] = _Right(
            event.authorisation,
            (time_us, event.id),
            event.profile,
            event.zone,
            frozenset(event.tokens),
            us_from_datetime(event.valid_from),
            None if event.valid_to is None else us_from_datetime(event.valid_to),
            time_us if event.revoked else None,
        )
        for token in event.tokens:
            self._by_token.setdefault(token, set()).add(event.authorisation)

    def verdict(self, token: str, zone: str, time_us: int, rules: AccessRules) -> Verdict:
        """Decide one token at one zone and moment: of several authorisations the best wins.

        Among equally good ones the one that ends last, then the lowest id.
        """
        rights = [self._rights[name] for name in self._by_token.get(token, ())]
        tried = [(_judge(right, time_us, rules), right) for right in rights if right.zone == zone]
        if not tried:
            return Verdict(AccessState.DENY, AccessReason.NO_AUTHORISATION)
        best = min(
            tried,
            key=lambda pair: (
                pair[0].rank,
                -(math.inf if pair[1].to_us is None else pair[1].to_us),
                pair[1].authorisation,
            ),
        )
        return best[0]


def _judge(right: _Right, time_us: int, rules: AccessRules) -> Verdict:
    """Say what one authorisation gives at one moment: validity is [from, to)."""
    profile = rules.profiles.get(right.profile)
    if profile is None:
        return Verdict(
            AccessState.REVIEW, AccessReason.NO_RULES, right.authorisation, right.profile
        )
    denied = None
    if time_us < right.from_us:
        denied = AccessReason.AUTH_NOT_YET_VALID
    elif right.revoked_us is not None and time_us >= right.revoked_us:
        denied = AccessReason.AUTH_REVOKED
    elif right.to_us is not None and time_us >= right.to_us:
        denied = AccessReason.AUTH_EXPIRED
    if denied is not None:
        return Verdict(AccessState.DENY, denied, right.authorisation, profile.name, profile.text())
    local = local_time(time_us, rules.timezone)
    window = next((one for one in profile.windows if one.holds(local)), None)
    if not profile.always and window is None:
        reason = AccessReason.OUTSIDE_WINDOW
        return Verdict(AccessState.DENY, reason, right.authorisation, profile.name, profile.text())
    return Verdict(
        AccessState.ADMIT,
        window_rule(profile.name, always=profile.always),
        right.authorisation,
        profile.name,
        "always" if window is None else window.text(),
    )
