"""The decision about one passage, with everything that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twin.control.access.casebook.known import Version
from twin.control.access.casebook.moments import instants, local_day, month_name
from twin.control.access.casebook.passages import ClockState, Passage
from twin.control.access.casebook.reading import PlateTables
from twin.control.access.casebook.reasons import ADMITTED, RANK, Because
from twin.control.access.casebook.rights import Ledger, Rights, rule_name
from twin.control.access.casebook.rulebook import Rules
from twin.control.access.identity import ReadQuality
from twin.control.access.reasons import AccessState


@dataclass(frozen=True, slots=True)
class Trial:
    """One authorisation that was considered, and what came of it."""

    zone: str
    version: Version
    state: AccessState
    reason: str
    window: str
    at_us: int
    uses_quota: bool

    def order(self) -> tuple[int, bool, float, str, int]:
        """Order trials, the one that counts first: state, no quota, latest end, lowest id."""
        end = self.version.row.valid_to
        lasting = float("-inf") if end is None else -end.timestamp()
        row = self.version.row
        return RANK[self.state], self.uses_quota, lasting, row.id, -row.version


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a passage, its reason, the trials that count, and all that were made."""

    state: AccessState
    reason: str
    key: str = ""
    chosen: tuple[Trial, ...] = ()
    tried: tuple[Trial, ...] = ()
    fuzzy: bool = False
    flags: tuple[str, ...] = ()

    @property
    def admitted(self) -> bool:
        """Say whether the vehicle may be inside."""
        return self.state in ADMITTED


def judge(
    passage: Passage,
    rules: Rules | None,
    tables: Callable[[Rules], PlateTables],
    rights: Rights,
    ledger: Ledger,
    *,
    conflict: bool,
) -> Verdict:
    """Decide one entry under what is known and what is used up so far. Writes nothing."""
    if passage.reading.quality is ReadQuality.UNREAD and rules is not None:
        return Verdict(AccessState.UNREAD, Because.UNREAD)
    if rules is None or passage.gate not in rules.zones_by_gate:
        return Verdict(AccessState.REVIEW, Because.NO_RULES)
    if not rules.knows(local_day(passage.time_us, rules.zone_info)):
        return Verdict(AccessState.REVIEW, Because.NO_RULES)
    case = _Entry(passage, rules, tables(rules), rights, ledger)
    verdict = case.verdict()
    if conflict:
        review = replace(verdict, state=AccessState.REVIEW, chosen=())
        return replace(review, reason=Because.PLATE_CONFLICT)
    return verdict


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry and everything that it is judged by."""

    passage: Passage
    rules: Rules
    tables: PlateTables
    rights: Rights
    ledger: Ledger

    def verdict(self) -> Verdict:
        reading = self.passage.reading
        if self.passage.clock is ClockState.UNKNOWN:
            return Verdict(AccessState.REVIEW, Because.CLOCK_UNTRUSTED, reading.key)
        if not reading.country_known:
            return self._confident(self._country_unknown())
        found = self._of_key(reading.key)
        if found.reason == Because.NO_AUTHORISATION:
            found = self._fuzzy(found)
        if found.state is AccessState.DENY and reading.quality is ReadQuality.UNUSUAL:
            found = replace(found, state=AccessState.REVIEW, reason=Because.UNUSUAL_PLATE)
        return self._flagged(self._confident(found))

    def _of_key(self, key: str) -> Verdict:
        """Judge a plate at every zone of the gate: all of them must let it in."""
        by_zone = [self._in_zone(key, zone) for zone in self.rules.zones_by_gate[self.passage.gate]]
        worst = max(by_zone, key=lambda one: RANK[one.state])
        tried = tuple(trial for one in by_zone for trial in one.tried)
        chosen = tuple(trial for one in by_zone for trial in one.chosen)
        return replace(worst, tried=tried, chosen=chosen if worst.admitted else worst.chosen)

    def _in_zone(self, key: str, zone: str) -> Verdict:
        asked = self.rights.for_vehicle(key, zone, self.passage.time_us, self.rules)
        tried = tuple(sorted((self._try(key, zone, one) for one in asked), key=Trial.order))
        if not tried:
            return Verdict(AccessState.DENY, Because.NO_AUTHORISATION, key)
        best = tried[0]
        return Verdict(best.state, best.reason, key, (best,), tried)

    def _try(self, key: str, zone: str, version: Version) -> Trial:
        """Ask one version at every instant that the clock leaves open."""
        passage, rules = self.passage, self.rules
        opinions = [
            (at_us, self.rights.opinion(version, key, at_us, rules, self.ledger))
            for at_us in instants(
                passage.time_us, passage.uncertainty_us, self.rights.edges_us(version)
            )
        ]
        profile = rules.form.profiles.get(version.row.profile)
        uses = profile is not None and profile.quota is not None
        open_at = [(at_us, one) for at_us, one in opinions if not one.against]
        if not open_at:
            at_us, nominal = opinions[0]
            unruled = nominal.against == Because.NO_RULES
            state = AccessState.REVIEW if unruled else AccessState.DENY
            return Trial(zone, version, state, nominal.against, "", at_us, uses)
        at_us, first = open_at[0]
        if len(open_at) < len(opinions):
            flag, why = AccessState.ADMIT_FLAG, Because.CLOCK_FAVOUR
            return Trial(zone, version, flag, why, first.window, at_us, uses)
        name = rule_name(version, rules)
        return Trial(zone, version, AccessState.ADMIT, name, first.window, at_us, uses)

    def _country_unknown(self) -> Verdict:
        found = [self._of_key(key) for key in self.passage.reading.keys]
        best = min(found, key=lambda one: RANK[one.state])
        state = AccessState.ADMIT_FLAG if best.admitted else AccessState.REVIEW
        return replace(best, state=state, reason=Because.COUNTRY_UNKNOWN)

    def _fuzzy(self, denied: Verdict) -> Verdict:
        """Look for one authorised plate that a single confusion away would be let in."""
        near = self.tables.neighbours(self.passage.reading.key)
        admitted = [one for key in near if (one := self._of_key(key)).admitted]
        if not admitted:
            return denied
        tried = tuple(trial for one in admitted for trial in one.tried)
        review = replace(denied, state=AccessState.REVIEW, tried=tried)
        listed = self.rights.listed(self.passage.reading.key[:2])
        rate = self.tables.stranger_rate(self.passage.reading.key, len(near), listed)
        if rate >= self.rules.form.reading.stranger_rate_max:
            return replace(review, reason=Because.FUZZY_LIMIT)
        if len(admitted) > 1:
            return replace(review, reason=Because.AMBIGUOUS_READ)
        favour = replace(admitted[0], state=AccessState.ADMIT_FLAG, fuzzy=True)
        return replace(favour, reason=Because.FUZZY_FAVOUR)

    def _confident(self, verdict: Verdict) -> Verdict:
        """Let a poor read admit only what was read exactly; the rest goes to a person."""
        exact = self.passage.reading.quality is ReadQuality.EXACT and not verdict.fuzzy
        if self.passage.confidence >= self.rules.form.reading.confidence_min or (
            verdict.admitted and exact
        ):
            return verdict
        review = replace(verdict, state=AccessState.REVIEW, chosen=(), fuzzy=False)
        return replace(review, reason=Because.LOW_CONFIDENCE)

    def _flagged(self, verdict: Verdict) -> Verdict:
        if self.passage.clock is not ClockState.UNTRUSTED:
            return verdict
        flagged = replace(verdict, flags=(Because.CLOCK_UNTRUSTED,))
        if verdict.state is not AccessState.ADMIT:
            return flagged
        return replace(flagged, state=AccessState.ADMIT_FLAG, reason=Because.CLOCK_UNTRUSTED)


def uses(verdict: Verdict, rules: Rules) -> tuple[tuple[str, str], ...]:
    """Return (authorisation, local month) of each entry that a verdict uses up."""
    if not verdict.admitted or verdict.fuzzy:
        return ()
    return tuple(
        (one.version.row.id, month_name(local_day(one.at_us, rules.zone_info)))
        for one in verdict.chosen
        if one.uses_quota
    )
