"""Decide a passage: admitted or not, why, and what the gate is asked to do.

In the driver's favour: what is uncertain may admit or be looked at by a person, it never denies.
A gate is never kept waiting for that person, and the way out is always open.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from twin.clock import datetime_from_us, iso_from_us
from twin.columns import PassageFact
from twin.control.access.groups import ReadGroups
from twin.control.access.identity import ReadQuality
from twin.control.access.reasons import AccessReason, AccessState, GateAction
from twin.control.access.register import Register, Verdict
from twin.control.access.rules import DEDUPLICATE_S, AccessRules
from twin.control.access.windows import local_time
from twin.errors import Fault, InputError
from twin.events import Authorisation, DecisionEvent, DecisionKind, DecisionState, Fact
from twin.ids import derived_id
from twin.network.model import SingleMap
from twin.units import SECOND_US

LEASE_S: Final = 30.0  # a gate that did not answer within this time did without us


class AccessControl:
    """Decides passages with the rules and the authorisations that it was told."""

    def __init__(self, network: SingleMap, rules: AccessRules | None) -> None:
        """Take the gates of the map and the rules (None: every entry is only looked at).

        Raises InputError naming every gate of the rules that the map does not have.
        """
        unknown = sorted(set(rules.zones_by_gate) - set(network.gate_rows)) if rules else []
        if rules is not None and unknown:
            rule = f"is no gate of map {network.name}"
            zones = rules.zones_by_gate
            raise InputError(
                *(Fault(f"zones.{zones[gate][0]}.gates", gate, rule) for gate in unknown)
            )
        self._barriers = frozenset(gate.id for gate in network.gates if gate.barrier)
        self._map_version = network.version
        self._rules = rules
        self._register = Register()
        self._groups = ReadGroups(rules.deduplicate_s if rules else DEDUPLICATE_S)

    def carry(self, before: AccessControl) -> None:
        """Go on with the rights and the reads that were known on another version of the map."""
        self._register, self._groups = before._register, before._groups

    def learn(self, event: Authorisation) -> None:
        """Take in one version of an authorisation; the newest by time counts."""
        self._register.learn(event)

    def decide(self, fact: PassageFact, now_us: int) -> tuple[DecisionEvent, ...]:
        """Decide one passage; return its versions decided and issued.

        A second read of the same passage returns nothing, unless it was read better and changes
        the outcome: then a decision that names the first as its predecessor.
        """
        group = self._groups.find(fact)
        if group is None:
            verdict = self._verdict(fact)
            events = self._events(fact, verdict, now_us=now_us, predecessor="")
            group = self._groups.start(fact, events[0].id)
            group.outcome = _outcome(verdict)
            return events
        self._groups.join(group, fact)
        if not fact.token or fact.confidence <= group.confidence:
            return ()
        group.token, group.confidence = fact.token, fact.confidence
        verdict = self._verdict(fact)
        if _outcome(verdict) == group.outcome:
            return ()
        events = self._events(fact, verdict, now_us=now_us, predecessor=group.decision)
        group.outcome, group.decision = _outcome(verdict), events[0].id
        return events

    def _verdict(self, fact: PassageFact) -> Verdict:
        if not fact.inbound:
            return Verdict(AccessState.ADMIT, AccessReason.EXIT_ALWAYS)
        if not fact.token and not fact.candidates:
            return Verdict(AccessState.UNREAD, AccessReason.UNREAD)
        rules = self._rules
        if rules is None or fact.gate not in rules.zones_by_gate:
            return Verdict(AccessState.REVIEW, AccessReason.NO_RULES)
        if fact.candidates:
            verdict = self._of_candidates(fact, rules)
        else:
            verdict = self._of_token(fact.token, fact, rules)
        return _with_confidence(verdict, fact, rules)

    def _of_token(self, token: str, fact: PassageFact, rules: AccessRules) -> Verdict:
        """Decide a token at every zone of the gate: all of them must let it in."""
        return max(
            (
                self._register.verdict(token, zone, fact.time_us, rules)
                for zone in rules.zones_by_gate[fact.gate]
            ),
            key=lambda verdict: verdict.rank,
        )

    def _of_candidates(self, fact: PassageFact, rules: AccessRules) -> Verdict:
        """Decide a read whose country nobody knows: one candidate that may enter is enough."""
        verdicts = [self._of_token(token, fact, rules) for token in fact.candidates]
        best = min(verdicts, key=lambda verdict: verdict.rank)
        reason = AccessReason.COUNTRY_UNKNOWN
        if best.state is not AccessState.ADMIT:
            return Verdict(AccessState.REVIEW, reason)
        return Verdict(
            AccessState.ADMIT_FLAG, reason, best.authorisation, best.profile, best.window
        )

    def _events(
        self, fact: PassageFact, verdict: Verdict, *, now_us: int, predecessor: str
    ) -> tuple[DecisionEvent, ...]:
        version = self._rules.version if self._rules else ""
        now = datetime_from_us(now_us)
        decided = DecisionEvent(
            id=derived_id("access", fact.gate, fact.id, version, predecessor),
            version=1,
            kind=DecisionKind.ACCESS,
            state=DecisionState.DECIDED,
            target=fact.gate,
            time=now,
            reason=str(verdict.reason),
            facts=self._facts(fact, verdict, now_us=now_us, version=version),
            command={"gate": str(self._action(fact.gate, verdict.state))},
            automatic=True,
            map_version=self._map_version,
            predecessor=predecessor,
        )
        lease_until = now + timedelta(seconds=LEASE_S)
        issued = replace(decided, version=2, state=DecisionState.ISSUED, lease_until=lease_until)
        return decided, issued

    def _action(self, gate: str, state: AccessState) -> GateAction:
        if state in {AccessState.ADMIT, AccessState.ADMIT_FLAG}:
            return GateAction.OPEN
        return GateAction.INTERCOM if gate in self._barriers else GateAction.RECORD

    def _facts(
        self, fact: PassageFact, verdict: Verdict, *, now_us: int, version: str
    ) -> tuple[Fact, ...]:
        age_s = (now_us - fact.time_us) / SECOND_US
        facts = [
            Fact(name="state", value=str(verdict.state)),
            Fact(name="direction", value="in" if fact.inbound else "out"),
            Fact(name="passed", value=iso_from_us(fact.time_us), age_s=age_s),
            Fact(name="confidence", value=fact.confidence, unit="of 1"),
            Fact(name="read", value=fact.quality),
            Fact(name="vehicle", value=self._vehicle(fact)),
            Fact(name="profile", value=verdict.profile),
            Fact(name="authorisation", value=verdict.authorisation),
            Fact(name="window", value=verdict.window),
            Fact(name="rules", value=version),
        ]
        return tuple(one for one in facts if one.value != "")

    def _vehicle(self, fact: PassageFact) -> str:
        """Return a word for the vehicle that is the same for one local day and not the next."""
        token = fact.token or next(iter(fact.candidates), "")
        if not token:
            return ""
        zone = self._rules.timezone if self._rules else None
        local = local_time(fact.time_us, zone) if zone else datetime_from_us(fact.time_us)
        return "v·" + derived_id("vehicle", local.date().isoformat(), token)[:4].upper()


def _with_confidence(verdict: Verdict, fact: PassageFact, rules: AccessRules) -> Verdict:
    """Let a poor read admit only what was read exactly; everything else goes to a person."""
    admitted = verdict.state in {AccessState.ADMIT, AccessState.ADMIT_FLAG}
    exact = fact.quality == ReadQuality.EXACT
    if fact.confidence >= rules.confidence_min or (admitted and exact):
        return verdict
    return Verdict(AccessState.REVIEW, AccessReason.LOW_CONFIDENCE)


def _outcome(verdict: Verdict) -> tuple[str, ...]:
    return (str(verdict.state), str(verdict.reason), verdict.authorisation)
