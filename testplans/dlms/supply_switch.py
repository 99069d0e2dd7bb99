"""Looking at the supply switch and setting its limits, each time through an association of a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.roles import DlmsMeter, PowerSource
from harness.steps import Steps
from testplans.dlms import profile_words as words
from testplans.dlms.events import recent_events

DISCONNECTED, CONNECTED, READY = 0, 1, 2
_STATES = {DISCONNECTED: "disconnected", CONNECTED: "connected", READY: "ready for reconnection"}
_SETTINGS = (
    "threshold_normal",
    "threshold_emergency",
    "min_over_threshold_duration",
    "min_under_threshold_duration",
)
MARGIN_S = 10


@dataclass(frozen=True, kw_only=True)
class SwitchFound:
    """The states that were seen, in words, in their order."""

    states: tuple[str, ...]


class SwitchBench:
    """Meter and source of one procedure: looks at the switch through associations of a moment."""

    def __init__(self, run: Steps, meter: DlmsMeter, client: str, link: str) -> None:
        self.run, self.meter, self.client, self.link = run, meter, client, link
        self.seen: list[str] = []

    @contextmanager
    def open(self) -> Iterator[str]:
        with words.opened(self.meter, self.client, self.link) as association:
            yield association

    def state(self) -> str:
        with self.open() as association:
            state = words.number(self.meter, "disconnect_control", "control_state", association)
            output = self.meter.get("disconnect_control", "output_state", association).value
        told = _STATES.get(state, f"state {state}")
        self.run.check("output and state agree", expected=told == "connected", actual=bool(output))
        self.seen.append(told)
        return told

    def expect(self, name: str, state: int, *behaviours: str) -> None:
        self.run.check(name, expected=_STATES[state], actual=self.state(), behaviours=behaviours)

    def set_limit(self, threshold_w: int, over_s: int, under_s: int) -> None:
        with self.open() as association:
            for attribute, value in (
                ("min_over_threshold_duration", over_s),
                ("min_under_threshold_duration", under_s),
                ("threshold_normal", threshold_w),
            ):
                self.meter.set("limiter", value, attribute, association)

    def set_mode(self, mode: int) -> None:
        with self.open() as association:
            self.meter.set("disconnect_control", mode, "control_mode", association)

    def settings(self) -> dict[str, int]:
        with self.open() as association:
            mode = words.number(self.meter, "disconnect_control", "control_mode", association)
            return self.limits(association) | {"mode": mode}

    def cut(self, source: PowerSource, off_s: float, start_up_s: float) -> None:
        """Take the supply away for a while."""
        self.meter.drop_all_links()
        source.switch_off()
        self.run.clock.sleep_s(off_s)
        source.switch_on()
        self.run.clock.sleep_s(start_up_s)

    def expect_event(self, log: str, number: int) -> None:
        """Check the newest rows of the log of the switch; 0 is no number, and is not looked for."""
        if number:
            with self.open() as association:
                codes = recent_events(self.meter, log, 3 * MARGIN_S, association)
            told = ", ".join(map(str, codes)) or "nothing new"
            self.run.check(
                f"new events of {log}", expected=f"{number} among them", actual=told, passed=number in codes
            )

    def limits(self, association: str) -> dict[str, int]:
        """Return the settings of the limiter."""
        return {name: words.number(self.meter, "limiter", name, association) for name in _SETTINGS}

    def restore(self, kept: dict[str, int]) -> None:
        """Put the settings back and close the switch, in a mode in which a remote command can."""
        with self.open() as association:
            for name in _SETTINGS:
                self.meter.set("limiter", kept[name], name, association)
            if words.number(self.meter, "disconnect_control", "control_state", association) != CONNECTED:
                self.meter.set("disconnect_control", 4, "control_mode", association)
                self.meter.disconnect_supply(association)
                self.meter.reconnect_supply(association)
            self.meter.set("disconnect_control", kept["mode"], "control_mode", association)
