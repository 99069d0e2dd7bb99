"""What every role stands on: marks for methods, identity, readings, ``Device`` and ``Meter``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, TypeVar

F = TypeVar("F", bound=Callable[..., object])
Anything: TypeAlias = object  # results have a field called object, which hides the type of that name


def hurts(*kinds: str) -> Callable[[F], F]:
    """Mark a role method that can do harm; ``kinds`` are the words a bench file must ``allow``."""

    def mark(function: F) -> F:
        function.__hurts__ = frozenset(kinds)  # type: ignore[attr-defined]
        return function

    return mark


def harmless_read(function: F) -> F:
    """Mark a role method without required arguments that a matcher may call for its expected value."""
    function.__harmless_read__ = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device says it is. ``serial`` is compared with the bench before anything destructive."""

    serial: str
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """A device's clock beside ours. ``drift_s`` is device minus ours, both in UTC."""

    device_time: datetime
    our_time: datetime
    drift_s: float
    status: str = ""
    resolution_s: float = 0.01  # 1.0 where the clock may show whole seconds only


@dataclass(frozen=True, kw_only=True)
class RegisterReading:
    """One register: ``value`` = ``raw`` x 10**``scaler`` in ``unit``."""

    name: str
    value: Decimal
    unit: str
    raw: int = 0
    scaler: int = 0


class Device(Protocol):
    """Anything on a bench."""

    def identify(self) -> Identity:
        """Ask the device who it is, over its own wire."""
        ...

    def make_safe(self) -> None:
        """Leave the device in its safe state; called however a run ends. Must not raise for a dead device."""
        ...

    def close(self) -> None:
        """Close every link of the device."""
        ...


class Meter(Device, Protocol):
    """A meter of any protocol."""

    def read_clock(self) -> ClockReading:
        """Read the meter's clock and compare it with ours."""
        ...

    @harmless_read
    def read_register(self, name: str) -> RegisterReading:
        """Read a register by the name its profile gives it."""
        ...

    def drop_all_links(self) -> None:
        """Close every link without a word, as before the meter loses its supply."""
        ...
