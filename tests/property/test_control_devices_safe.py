"""Whatever operators order, devices answer and time does: what is issued is safe and ends."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from device_road import START_US, device_road, order
from twin.clock import datetime_from_us, us_from_datetime
from twin.control.decision import MOVES, DecisionBook
from twin.control.devices.orders import DeviceControl
from twin.control.devices.safety import DEVICE_RULES, EMERGENCY
from twin.events import (
    DEVICE_KINDS,
    Acknowledgement,
    Act,
    DecisionEvent,
    DecisionKind,
    DecisionState,
    OperatorAct,
)
from twin.network.devices import road_devices
from twin.units import SECOND_US

ROAD = device_road()
DEVICES = {one.id: one for one in road_devices(ROAD)}
NUMBERS = st.one_of(
    st.integers(-50, 1300).map(str),
    st.sampled_from(["30", "50", "70", "80", "100", "110", "240", "600", "900", "1e2", "inf"]),
)
COMMANDS = st.one_of(
    st.dictionaries(st.sampled_from(["rate_vph", "limit_kph", "close_lane"]), NUMBERS, max_size=2),
    st.sampled_from(["closed", "open", "by_rule", "ajar"]).map(lambda word: {"gate": word}),
    st.just({"rate": "off"}),
    st.text(max_size=80).map(lambda text: {"text": text}),
)
FITTING = st.sampled_from(sorted(DEVICES)).flatmap(
    lambda name: st.tuples(
        st.just(str(DEVICES[name].kind)),
        st.just(name),
        {
            "ramp_meter": NUMBERS.map(lambda number: {"rate_vph": number}),
            "sign": NUMBERS.map(lambda number: {"limit_kph": number}),
            "gate": st.sampled_from(["closed", "open"]).map(lambda word: {"gate": word}),
        }[str(DEVICES[name].kind)],
    )
)
KINDS = [*sorted(DEVICE_KINDS), DecisionKind.ACCESS]


class Street(RuleBasedStateMachine):
    """Keeps every version, and what each device would show."""

    def __init__(self) -> None:
        super().__init__()
        self.control, self.book = DeviceControl(ROAD), DecisionBook()
        self.now_us = START_US
        self.versions: dict[str, list[DecisionEvent]] = {}
        self.asked = 0

    def note(self, events: tuple[DecisionEvent, ...]) -> None:
        for event in events:
            self.book.add(event)
            self.versions.setdefault(event.id, []).append(event)

    @rule(
        kind=st.sampled_from(KINDS),
        device=st.sampled_from([*DEVICES, "nowhere"]),
        command=COMMANDS,
        for_s=st.sampled_from([0.5, 60.0, 900.0, 14_400.0, 86_400.0]),
        reason=st.sampled_from(["a reason long enough", "  short     "]),
    )
    def order(
        self, kind: str, device: str, command: dict[str, str], for_s: float, reason: str
    ) -> None:
        self.asked += 1
        asked = order(
            kind,
            device,
            command,
            now_us=self.now_us,
            for_s=for_s,
            reason=reason,
            name=f"a{self.asked}",
        )
        self.note(self.control.take(asked, self.now_us, book=self.book))

    @rule(asked=FITTING, for_s=st.sampled_from([60.0, 900.0, 20_000.0]))
    def order_that_may_fit(self, asked: tuple[str, str, dict[str, str]], for_s: float) -> None:
        self.order(*asked, for_s, "a reason long enough")

    @rule(seconds=st.sampled_from([0.5, 1.0, 30.0, 61.0, 125.0]))
    def beat(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND_US)
        self.note(self.book.expire(self.now_us))
        self.note(self.control.decide(self.now_us, book=self.book, offsets={}))

    @rule(accepted=st.sampled_from([True, True, True, False]))
    def answer(self, accepted: bool) -> None:
        for event in self.book.open():
            said = Acknowledgement(
                id="k",
                decision=event.id,
                device=event.target,
                time=datetime_from_us(self.now_us),
                accepted=accepted,
            )
            self.note(self.book.apply_acknowledgement(said, self.now_us))

    @rule(at=st.integers(0, 6))
    def release(self, at: int) -> None:
        standing = self.book.open()
        if at < len(standing):
            act = OperatorAct(
                id=f"r{self.asked}",
                time=datetime_from_us(self.now_us),
                person="ben",
                act=Act.RELEASE,
                target=standing[at].id,
                seen_version=1,
                reason="it is not needed any more",
            )
            self.note(self.book.apply_act(act, self.now_us))

    @invariant()
    def every_life_is_a_life(self) -> None:
        for versions in self.versions.values():
            state: DecisionState | None = None
            for number, event in enumerate(versions, 1):
                assert event.version == number
                assert event.state in MOVES[event.kind].get(state, frozenset())
                state = event.state

    @invariant()
    def what_was_issued_is_safe(self) -> None:
        for versions in self.versions.values():
            for event in versions:
                if event.state is DecisionState.ISSUED:
                    _assert_safe(event, first=versions[0])

    @invariant()
    def one_command_a_device(self) -> None:
        targets = [(one.kind, one.target) for one in self.book.open()]
        assert len(targets) == len(set(targets))


def _assert_safe(event: DecisionEvent, *, first: DecisionEvent) -> None:
    """Say the limits again, in the words of the street and not of the code under test."""
    device, command = DEVICES[event.target], event.command
    assert event.checks == DEVICE_RULES
    assert event.by == "ana"
    assert event.lease_until is not None
    lease_s = (event.lease_until - event.time).total_seconds()
    assert 0 < lease_s <= 120
    assert event.expires is not None
    assert event.lease_until <= event.expires
    assert (event.expires - first.time).total_seconds() <= 4 * 3600
    if "rate_vph" in command:
        assert 240 <= float(command["rate_vph"]) <= 900
        assert event.target == "RM"
    if "limit_kph" in command:
        assert float(command["limit_kph"]) in range(30, 111, 10)
        assert event.kind is DecisionKind.SIGN
    if command.get("gate") == "closed":
        assert device.inbound
        assert device.barrier
        assert command["except"] == EMERGENCY
    assert us_from_datetime(event.time) >= START_US


TestStreet = Street.TestCase
TestStreet.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
