"""Roles around pushes: the bench's receiver, and what a meter offers to set its pushes up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from adapters.roles.base import Anything, Device, hurts

PushTransport = Literal["tcp", "udp"]
SetupTransport = Literal["tcp", "udp", "sms"]
ReceiverFlaw = Literal["", "wrong-key"]


@dataclass(frozen=True, kw_only=True)
class ListeningAt:
    """Where the receiver listens: ``address`` is what a meter is told, ``host:port``."""

    address: str
    transport: str


@dataclass(frozen=True, kw_only=True)
class PushedValue:
    """One value of a push, in its place. ``object`` is empty where the profile does not know it.

    ``scaled`` and ``unit`` are given for registers whose scaler the profile tells.
    """

    object: str
    attribute: str
    value: Anything
    type: str
    unit: str = ""
    scaled: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class PushReceived:
    """One push. ``fault`` is empty where it is taken; else nothing but its claims is known.

    ``protection`` is none, authenticated, encrypted or authenticated-encrypted; ``source`` and
    ``destination`` are the wrapper's ports; ``arrived`` is our clock, ``meter_time`` (UTC)
    what the notification says.
    """

    setup: str
    values: tuple[PushedValue, ...]
    system_title: str
    protection: str
    invocation_counter: int | None
    meter_time: datetime | None
    arrived: datetime
    source: int
    destination: int
    transport: str
    invoke_id: int = 0
    fault: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class PushesReceived:
    """Pushes in the order of their arrival; ``count`` of them, the faulty ones included."""

    count: int
    pushes: tuple[PushReceived, ...]


class PushReceiver(Device, Protocol):
    """Somebody a meter pushes to. It listens from ``address`` on, at most until the case ends."""

    def address(self, transport: PushTransport = "tcp") -> ListeningAt:
        """Listen, and return what a meter must be told."""
        ...

    def stop_listening(self, transport: PushTransport = "tcp") -> None:
        """Listen no more: whoever calls finds nobody. Stopping twice is harmless."""
        ...

    def wait_for_push(self, patience_s: float = 60.0, transport: PushTransport = "tcp") -> PushReceived:
        """Return the next push. Refused("no-push") when none comes.

        A push that is not taken is Refused with its fault as reason: ``malformed``, ``unprotected``,
        ``deciphering-failed``, ``replayed-counter`` or ``unknown-sender``; it stays in ``received_pushes``.
        """
        ...

    def no_push_for(self, duration_s: float, transport: PushTransport = "tcp") -> PushesReceived:
        """Listen for ``duration_s`` and return what came nevertheless; ``count`` is 0 where nothing did."""
        ...

    def received_pushes(self) -> PushesReceived:
        """Return every push since the case began."""
        ...

    def open_with(self, flaw: ReceiverFlaw = "") -> None:
        """Open protected pushes with the right key from now on, or with a wrong one on purpose."""
        ...


@dataclass(frozen=True, kw_only=True)
class PushColumn:
    """One attribute a push setup sends."""

    object: str
    class_id: int
    obis: str
    attribute: int


@dataclass(frozen=True, kw_only=True)
class PushSetupRead:
    """A push setup (class 40) as it was read."""

    setup: str
    columns: tuple[PushColumn, ...]
    destination: str
    transport: str
    windows: int
    randomisation_s: int
    retries: int
    repetition_delay_s: int


class MeterPush(Protocol):
    """What a DLMS meter offers to set its pushes up."""

    @hurts("configure")
    def configure_push(
        self,
        setup: str,
        destination: str,
        transport: SetupTransport = "tcp",
        retries: int = 0,
        repetition_delay_s: int = 0,
        randomisation_s: int = 0,
        window_start: str = "",
        window_end: str = "",
        association: str = "",
    ) -> PushSetupRead:
        """Write a push setup and read it back; an empty ``destination`` turns it off.

        ``window_start`` and ``window_end`` are times of the meter's day, ``HH:MM:SS``; without them the
        window is always open.
        """
        ...

    @hurts("configure")
    def write_push_list(self, setup: str, columns: str = "", association: str = "") -> PushSetupRead:
        """Write what a setup pushes, ``object#attribute`` with blanks between, and read the setup back.

        Without ``columns`` the list is put back that the first call has replaced.
        """
        ...

    def read_push_setup(self, setup: str, association: str = "") -> PushSetupRead:
        """Read a push setup."""
        ...
