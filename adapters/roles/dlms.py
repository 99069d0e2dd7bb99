"""The role of a DLMS/COSEM meter, and what its methods return."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from adapters.profiles.model import CosemObject
from adapters.roles.base import Anything, ClockReading, Meter, RegisterReading, harmless_read, hurts
from adapters.roles.dlms_control import DlmsControl
from adapters.roles.dlms_image import DlmsImageTransfer
from adapters.roles.dlms_lists import DlmsLists
from adapters.roles.dlms_mode_c import DlmsModeC
from adapters.roles.dlms_probing import DlmsProbing
from adapters.roles.dlms_profiles import DlmsProfiles
from adapters.roles.dlms_security import DlmsSecurity
from adapters.roles.push import MeterPush
from adapters.roles.sms import SmsServicesOfMeter

Mechanism = Literal[
    "", "none", "lls", "hls-manufacturer", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256", "hls-ecdsa",
    "pre-established",
]  # fmt: skip
AssociationFlaw = Literal[
    "",
    "wrong-password",
    "longer-password",
    "wrong-key",
    "wrong-challenge",
    "reflected-challenge",
    "no-authentication",
    "replayed-counter",
]
KeyWay = Literal["", "identified", "one-pass", "static"]
RequestFlaw = Literal[
    "",
    "wrong-key",
    "damaged-tag",
    "replayed-counter",
    "lower-counter",
    "unciphered",
    "unconfirmed",
    "wrong-block-number",
    "block-abort",
    "other-suite",
    "weaker-protection",
    "forged-ephemeral-key",
    "other-recipient",
    "unauthenticated",
]
Service = Literal["get", "set", "action"]


@dataclass(frozen=True, kw_only=True)
class AssociationOpened:
    """An application association as the meter granted it."""

    association: str  # the name later steps use
    client: str
    link: str
    mechanism: str  # none, lls, hls-gmac ..., pre-established
    ciphered: bool
    conformance: tuple[str, ...]
    max_pdu: int
    meter_system_title: str  # hexadecimal, empty where none was given
    meter_challenge: str = ""  # hexadecimal; what the meter asked us to prove, empty without HLS
    client_address: int = 0  # the client's and the logical device's, as they stand on the wire
    server_address: int = 0
    takes: int = 0  # the longest APDU we said we take, in octets; 0 where nothing was negotiated
    meter_counter: int = (
        0  # the highest invocation counter the meter has ciphered with here; 0 without ciphering
    )


@dataclass(frozen=True, kw_only=True)
class AssociationReleased:
    """How an association ended: ``release response``, ``none``, ``malformed``, ``hung up`` or ``refused``.

    ``none`` also for a pre-established one, which cannot be released. ``longest_answer`` is the length of the
    longest APDU that came in the association, in octets.
    """

    association: str
    answer: str
    longest_answer: int = 0


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


class DlmsMeter(
    DlmsModeC,
    DlmsProbing,
    DlmsProfiles,
    DlmsControl,
    DlmsLists,
    DlmsImageTransfer,
    DlmsSecurity,
    MeterPush,
    SmsServicesOfMeter,
    Meter,
    Protocol,
):
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
        """Return how a client proves itself: none, lls, hls-gmac ..., pre-established."""
        ...

    def associate(
        self,
        client: str = "",
        link: str = "",
        association: str = "",
        mechanism: Mechanism = "",
        flaw: AssociationFlaw = "",
        general_ciphering: KeyWay = "",
    ) -> AssociationOpened:
        """Open an association (link set-up, AARQ and, for HLS, the four-pass exchange).

        An empty ``client`` is the first the bench holds secrets of (or one that needs none), an empty
        ``link`` the bench's first; ``sap:77`` is a client address no profile lists. ``mechanism`` overrides
        the profile's; ``flaw`` spoils one thing on purpose. ``general_ciphering`` sends every service in an
        APDU of that name, under the global key (identified) or one agreed on for it (one-pass, static).
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

        ``flaw``: damaged-tag, wrong-key, replayed-counter, unciphered, unconfirmed; wrong-block-number and
        block-abort spoil a transfer in blocks after its first one; forged-ephemeral-key and other-recipient
        a message in general-ciphering.
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
