"""What the runner needs from a bench; ``harness.bench.LiveBench`` is one, a test may bring its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adapters.base import Clock
from adapters.clock import WallClock


class Bench(Protocol):
    """A bench whose devices can be used. Plain attributes; nothing here opens a link by itself."""

    @property
    def name(self) -> str:
        """Return the bench's name, for messages."""
        ...

    @property
    def file(self) -> str:
        """Return the bench file, or what stands for one."""
        ...

    @property
    def devices(self) -> Mapping[str, object]:
        """Return the devices by name."""
        ...

    @property
    def roles(self) -> Mapping[str, str]:
        """Return the role of each device."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock in use."""
        ...

    @property
    def allow(self) -> frozenset[str]:
        """Return the kinds of harm the bench allows."""
        ...

    @property
    def identity_expected(self) -> Mapping[str, str]:
        """Return the serial number the bench names for a device, where it does."""
        ...

    @property
    def wire_logs(self) -> Mapping[str, object]:
        """Return the transcripts of the bench's links by name."""
        ...

    def end_case(self) -> None:
        """Give the devices back as the next case expects them: nothing left open. Does not raise LabError."""
        ...

    def make_safe(self) -> None:
        """Put every device into its safe state."""
        ...

    def close(self) -> None:
        """Close every link."""
        ...


@dataclass(frozen=True, kw_only=True)
class NoBench:
    """Stands for a bench that could not be opened; nothing can be done on it."""

    name: str
    file: str = ""
    devices: Mapping[str, object] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=WallClock)
    allow: frozenset[str] = frozenset()
    identity_expected: Mapping[str, str] = field(default_factory=dict)
    wire_logs: Mapping[str, object] = field(default_factory=dict)

    def end_case(self) -> None:
        """Nothing was left open."""

    def make_safe(self) -> None:
        """Nothing was switched on."""

    def close(self) -> None:
        """Nothing was opened."""
