"""A small bench for the harness's own tests: a line-speaking meter behind a real PTY, in virtual time.

The protocol is one line each way (``read energy`` -> ``energy 123``), so that these tests do not depend on
any meter protocol; the wires, the clock and the transports are the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from adapters.base import Clock, LineSettings
from adapters.clock import WallClock
from adapters.errors import Refused
from adapters.roles import ClockReading, Identity, RegisterReading
from adapters.transports.serial import SerialTransport
from harness.scrub import Scrubber
from virtual_rig.clock import VirtualClock
from virtual_rig.servers.pty import PtyServer
from virtual_rig.wire import HostLine

SERIAL = "MB000042"


class LineMeter:
    """The meter's side: answers lines; ``refuse`` and ``registers`` steer what it says."""

    def __init__(self) -> None:
        self.registers = {"energy": "123.456", "power": "42"}
        self.heard: list[str] = []
        self.refuse_until_s = 0.0
        self.now_s = lambda: 0.0
        self.serial = SERIAL
        self.silent = False
        self._pending = b""

    def opened(self, line: HostLine) -> None:
        """Nothing to do."""

    def closed(self, line: HostLine) -> None:
        """Nothing to do."""

    def broke(self, line: HostLine, duration_s: float) -> None:
        """Nothing to do."""

    def received(self, line: HostLine, data: bytes) -> None:
        """Answer each whole line after 50 ms."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for text in lines:
            self.heard.append(text.decode())
            if not self.silent:
                line.send(self.answer(text.decode()).encode() + b"\n", delay_s=0.05)

    def answer(self, request: str) -> str:
        """Return the answer to one request."""
        word, _, name = request.partition(" ")
        if word == "identify":
            return f"serial {self.serial}"
        if word in ("on", "off"):
            return "done"
        if self.now_s() < self.refuse_until_s:
            return "no busy"
        if name not in self.registers:
            return "no object-undefined"
        return f"{name} {self.registers[name]}"


class LineMeterAdapter:
    """The harness's side: a Meter and a PowerSource in one."""

    def __init__(self, port: str, clock: Clock) -> None:
        self._clock = clock
        self._line = SerialTransport.open(port=port, settings=LineSettings(), clock=clock)
        self.made_safe = 0
        self.doubtful = False  # nothing vouches for the octets of a refusal

    def _ask(self, request: str) -> str:
        self._line.write(request.encode() + b"\n", 1.0)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._line.read(256, 2.0)
        text = answer.decode().strip()
        if text.startswith("no "):
            refusal = Refused(text[3:])
            refusal.doubtful = self.doubtful
            raise refusal
        return text.partition(" ")[2]

    def identify(self) -> Identity:
        """Ask for the serial number."""
        return Identity(serial=self._ask("identify"))

    def read_register(self, name: str) -> RegisterReading:
        """Read a register."""
        return RegisterReading(name=name, value=Decimal(self._ask(f"read {name}")), unit="Wh")

    def read_clock(self) -> ClockReading:
        """Tell our own time."""
        now = self._clock.utc_now()
        return ClockReading(device_time=now, our_time=now, drift_s=0.0)

    def apply(
        self,
        voltage_v: Decimal,
        current_a: Decimal = Decimal(0),
        power_factor: Decimal = Decimal(1),
        frequency_hz: Decimal = Decimal(50),
    ) -> None:
        """Switch on."""
        self._ask("on")

    def switch_on(self) -> None:
        """Switch on."""
        self._ask("on")

    def switch_off(self) -> None:
        """Switch off."""
        self._ask("off")

    def make_safe(self) -> None:
        """Count how often that was asked for."""
        self.made_safe += 1

    def close(self) -> None:
        """Close the line."""
        self._line.close()


@dataclass
class FakeBench:
    """See ``harness.bench_port.Bench``."""

    name: str = "fake"
    file: str = "fake.yaml"
    model: LineMeter = field(default_factory=LineMeter)
    allow: frozenset[str] = frozenset({"energise"})
    identity_expected: Mapping[str, str] = field(default_factory=lambda: {"source": SERIAL, "meter": SERIAL})
    roles: Mapping[str, str] = field(default_factory=lambda: {"meter": "meter", "source": "power_source"})
    wire_logs: Mapping[str, object] = field(default_factory=dict)
    broken_reason: str | None = None
    clock: Clock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.model.now_s = self.clock.now_s
        server = PtyServer("optical", self.model, self.clock)
        self.adapter = LineMeterAdapter(server.address, self.clock)
        self.devices: Mapping[str, object] = {"meter": self.adapter, "source": self.adapter}

    def end_case(self) -> None:
        """Nothing is left open between cases here."""

    def make_safe(self) -> None:
        """Put the meter into its safe state."""
        self.adapter.make_safe()

    def close(self) -> None:
        """Close the line and the rig."""
        self.adapter.close()
        assert isinstance(self.clock, VirtualClock)
        self.clock.close()


def open_fake(
    bench: str,
    *,
    seed: int,
    broken: frozenset[str],
    faults: Mapping[str, str],
    wire_dir: Path | None,
    scrubber: Scrubber,
) -> FakeBench:
    """Open the fake bench as a session does; its secret is known to the scrubber."""
    scrubber.add("meter.password", "s3cret-pass")
    return FakeBench(name=bench)


__all__ = ["FakeBench", "LineMeter", "WallClock", "open_fake"]
