"""What a device can do, as typed ports. A plan step ``do: <device>.<method>`` calls one of these methods.

A role is a ``typing.Protocol`` whose methods are the words of a plan. Parameters and results are plain
typed values (str, int, Decimal, Duration in seconds, frozen dataclasses), so that ``plan check`` can
verify a plan against the role without any device. ``@hurts`` marks what a bench must allow explicitly;
``@harmless_read`` marks what may be called to fetch the right-hand side of ``equals: meter.summation``.

Every method raises ``Refused`` when the device declines in the words of its protocol, the transport errors
when the wire fails and the protocol errors when bytes are wrong (see ``adapters.errors``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias, TypeVar

from adapters.profiles.model import CosemObject

F = TypeVar("F", bound=Callable[..., object])
Anything: TypeAlias = object  # results have a field called object, which hides the type of that name
Mechanism = Literal["", "none", "lls", "hls-gmac", "pre-established"]
AssociationFlaw = Literal[
    "", "wrong-password", "wrong-key", "wrong-challenge", "reflected-challenge", "no-authentication"
]
RequestFlaw = Literal[
    "", "wrong-key", "damaged-tag", "replayed-counter", "lower-counter", "unciphered", "unconfirmed"
]
Service = Literal["get", "set", "action"]


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


@dataclass(frozen=True, kw_only=True)
class AssociationOpened:
    """An application association as the meter granted it."""

    association: str  # the name later steps use
    client: str
    link: str
    mechanism: str  # none, lls, hls-gmac, pre-established
    ciphered: bool
    conformance: tuple[str, ...]
    max_pdu: int
    meter_system_title: str  # hexadecimal, empty where none was given


@dataclass(frozen=True, kw_only=True)
class AssociationReleased:
    """How an association ended: ``release response``, ``none``, ``malformed``, ``hung up`` or ``refused``.

    ``none`` also for a pre-established one, which cannot be released.
    """

    association: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class AttributeValue:
    """What a GET returned. ``value`` is plain Python (int, str, Decimal, list), ``type`` its DLMS type."""

    object: str
    attribute: str
    value: Anything
    type: str
    unit: str = ""
    scaled: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceDone:
    """What a SET, an ACTION or an unconfirmed service came to.

    ``acknowledged`` is True where the meter said success, False where the service asks for no answer.
    """

    service: str
    object: str
    acknowledged: bool
    value: Anything = None


@dataclass(frozen=True, kw_only=True)
class ListedObject:
    """One row of a meter's object list."""

    logical_name: str  # A-B:C.D.E.F in the field's own notation, e.g. 1-0:1.8.0.255
    class_id: int
    version: int
    readable: tuple[int, ...]
    writable: tuple[int, ...]
    name: str = ""  # the profile's name for it, where it has one
    rights_known: bool = True  # False where the list gives no access rights at all for the object


@dataclass(frozen=True, kw_only=True)
class ObjectList:
    """A meter's object list as read from the current association object."""

    count: int
    objects: tuple[ListedObject, ...]


class DlmsMeter(Meter, Protocol):
    """A DLMS/COSEM meter. Associations have names, so that a plan can hold several at once.

    ``link`` is a link name of the bench file, ``client`` a client name of the profile. An association's
    default name is ``<link>/<client>``; where exactly one association is open, steps need not name it.
    Reasons of Refused: ``association-rejected``, ``service-not-allowed``, ``service-not-supported``,
    ``security``, ``silence``, ``disconnected`` and the data-access and action results by their hyphened
    standard names (``read-write-denied``, ``object-undefined`` ...).
    """

    def read_clock(self, association: str = "") -> ClockReading:
        """Read the clock object of the profile (or 8/0-0:1.0.0.255) and compare it with ours."""
        ...

    @harmless_read
    def read_register(self, name: str, association: str = "") -> RegisterReading:
        """Read value, scaler and unit of a register by its profile name or as ``class/A-B:C.D.E.F``."""
        ...

    def profile_objects(self) -> tuple[CosemObject, ...]:
        """Return the objects the profile lists, with each client's rights."""
        ...

    def default_client(self) -> str:
        """Return the client that serves where a plan names none."""
        ...

    def default_link(self) -> str:
        """Return the link that serves where a plan names none."""
        ...

    def mechanism_of(self, client: str = "") -> str:
        """Return how a client proves itself: none, lls, hls-gmac, pre-established."""
        ...

    def associate(
        self,
        client: str = "",
        link: str = "",
        association: str = "",
        mechanism: Mechanism = "",
        flaw: AssociationFlaw = "",
    ) -> AssociationOpened:
        """Open an association (link set-up, AARQ and, for HLS, the four-pass exchange).

        An empty ``client`` is the first the bench holds secrets of (or one that needs none), an empty
        ``link`` the bench's first; ``sap:77`` is a client address no profile lists. ``mechanism`` overrides
        the profile's; ``flaw`` spoils one thing on purpose.
        """
        ...

    def release(self, association: str = "") -> AssociationReleased:
        """Release an association (RLRQ/RLRE, then HDLC DISC where it was the link's last)."""
        ...

    def release_all(self) -> None:
        """Release every association that is open; what does not answer is dropped."""
        ...

    def forget(self, association: str) -> None:
        """Let go of an association without a word to the meter (a pre-established one cannot be released)."""
        ...

    def drop_all_links(self) -> None:
        """Close every link and all associations without asking the meter."""
        ...

    def drop_link(self, link: str = "") -> None:
        """Close a link and all its associations without asking the meter (a cable pulled)."""
        ...

    def get(
        self, object: str, attribute: str = "value", association: str = "", flaw: RequestFlaw = ""
    ) -> AttributeValue:
        """GET an attribute; ``object`` is a profile name or an OBIS code with class, e.g. 3/1-0:1.8.0.255.

        ``flaw``: damaged-tag, wrong-key, replayed-counter, unciphered, unconfirmed.
        """
        ...

    def set(
        self,
        object: str,
        value: object,
        attribute: str = "value",
        association: str = "",
        confirmed: bool = True,
        flaw: RequestFlaw = "",
    ) -> ServiceDone:
        """SET an attribute; the type comes from the profile or, failing that, from the meter's own GET."""
        ...

    def action(
        self,
        object: str,
        method: str,
        argument: object = None,
        association: str = "",
        confirmed: bool = True,
        flaw: RequestFlaw = "",
    ) -> ServiceDone:
        """Invoke a method of an object that can do no harm (the profile says which can)."""
        ...

    @hurts("disconnect")
    def disconnect_supply(self, association: str = "") -> ServiceDone:
        """Open the supply switch of the meter (disconnect control, remote_disconnect)."""
        ...

    @hurts("disconnect")
    def reconnect_supply(self, association: str = "") -> ServiceDone:
        """Close the supply switch, or make it ready for reconnection, as its control mode has it."""
        ...

    def request_without_association(
        self,
        service: Service,
        client: str,
        link: str,
        object: str,
        attribute: str = "value",
        value: object = None,
    ) -> AttributeValue | ServiceDone:
        """Send get, set or action as ``client``, which has opened no association on ``link``."""
        ...

    def list_objects(self, association: str = "") -> ObjectList:
        """Read the object list of the current association object (class 15, attribute 2)."""
        ...


class PowerSource(Device, Protocol):
    """An AC source or a simple power switch in front of a meter."""

    @hurts("energise")
    def apply(
        self,
        voltage_v: Decimal,
        current_a: Decimal = Decimal(0),
        power_factor: Decimal = Decimal(1),
        frequency_hz: Decimal = Decimal(50),
    ) -> None:
        """Put a balanced load point on all phases and switch the output on."""
        ...

    @hurts("energise")
    def switch_on(self) -> None:
        """Switch the output on with the load point set last."""
        ...

    @hurts("energise")
    def switch_off(self) -> None:
        """Switch the output off: the meter loses its supply."""
        ...
