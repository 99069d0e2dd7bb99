"""What a DLMS meter must turn away, asked for on purpose: proposals, raw APDUs, repeated wrong passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.profiles.model import Mechanism
from adapters.roles.base import hurts

EndedBy = Literal["release", "disconnection", "refusal"]
DatagramFlaw = Literal["", "truncated", "oversized", "other-version", "other-device"]


@dataclass(frozen=True, kw_only=True)
class ProposalAnswered:
    """What the meter made of a proposal of our own (AARQ without authentication).

    ``result`` is the AARE's (``accepted``, ``rejected-permanent`` ...), ``diagnostic`` its reason and
    ``initiate_error`` the error of the InitiateRequest, where it tells one. ``then`` tells what a GET came
    to in the association: ``served``, ``not tried`` or the refusal. ``longest`` is the longest answer in
    it, in octets, and ``pieces`` in how many the object list came, where it was read.
    """

    result: str
    diagnostic: str
    initiate_error: str
    conformance: tuple[str, ...]
    max_pdu: int
    then: str
    pieces: int = 0
    longest: int = 0


@dataclass(frozen=True, kw_only=True)
class RawAnswered:
    """What came back on octets sent as they are.

    ``kind`` is ``nothing``, ``exception``, ``service-error`` (confirmedServiceError), ``get``, ``get-block``,
    ``get-list``, ``set``, ``set-list``, ``set-ack``, ``action``, ``action-ack`` (a block was taken) or
    ``other``; ``result`` the access result (of a list: each there is, once) or the exception's service error,
    in the standard's words. ``count`` is the number of items of a list, or of the block that was taken;
    ``apdu`` the answer, deciphered, in hexadecimal.
    """

    kind: str
    result: str
    count: int
    apdu: str


@dataclass(frozen=True, kw_only=True)
class DeviceAnswered:
    """A logical device that gave us an association."""

    address: int


@dataclass(frozen=True, kw_only=True)
class AttemptsMade:
    """How often a wrong password or proof was presented, and how often it was turned away."""

    attempts: int
    turned_away: int


class DlmsProbing(Protocol):
    """Requests no ordinary head end sends. None of them changes a meter that behaves."""

    def client_names(self) -> tuple[str, ...]:
        """Return the clients the profile lists."""
        ...

    def mechanisms_of(self, client: str = "") -> tuple[Mechanism, ...]:
        """Return how a client may prove itself, its own way first, then its backups."""
        ...

    def granted(self, association: str = "") -> tuple[str, ...]:
        """Return the services the meter granted in an association, by the standard's names."""
        ...

    def propose(
        self,
        client: str = "",
        link: str = "",
        max_pdu: int = 1024,
        conformance: str = "",
        dlms_version: int = 6,
        read_long: bool = False,
    ) -> ProposalAnswered:
        """Send an AARQ without authentication that proposes just this; close what it opens.

        An empty ``client`` is one that needs no secret; ``conformance`` lists services by the standard's
        names with blanks between, nothing stands for what the profile gives the client.
        Where it is accepted, the logical device name is asked for (``then``), with ``read_long`` the object
        list too. Raises Refused on silence.
        """
        ...

    def send_raw(
        self, apdu: bytes, association: str = "", counter_ahead: int = 0, damaged: bool = False
    ) -> RawAnswered:
        """Send octets as an APDU in an open association, ciphered where it is; return what comes back.

        A GET is sent as it is; anything else needs ``configure`` on the bench, since nobody looks at what
        the octets do. ``counter_ahead`` leaves out so many invocation counters (which are used up only if
        the meter accepts), ``damaged`` spoils the tag; both need a ciphered association.
        """
        ...

    def send_datagram(self, apdu: bytes, association: str = "", flaw: DatagramFlaw = "") -> RawAnswered:
        """Send a plain GET over UDP in a datagram that is cut off or has octets behind the APDU.

        Or one of another version of the wrapper, or to a logical device the meter has not.
        """
        ...

    def request_after_end(
        self, ended: EndedBy, client: str = "", link: str = "", mechanism: Mechanism | Literal[""] = ""
    ) -> RawAnswered:
        """Open an association, end it, and ask for the logical device name as if it were still open.

        ``ended`` by ``release`` (RLRQ), by ``disconnection`` (DISC and SNRM, on HDLC alone) or by ``refusal``
        (never open, since what proves the client was wrong). On the same connection in any case.
        """
        ...

    def call_device(self, address: int, client: str = "", link: str = "") -> DeviceAnswered:
        """Ask the logical device ``address`` for an association without authentication, and release it.

        Raises Refused where nobody answers there or the one who does declines.
        """
        ...

    @hurts("configure")
    def fail_authentication(
        self, client: str, link: str = "", times: int = 1, mechanism: Literal["", "lls", "hls-gmac"] = ""
    ) -> AttemptsMade:
        """Present a wrong password or proof so many times. A meter may lock the client out for a while."""
        ...
