"""DLMS over short messages as the head end sees it: APDU in, protected, wrapped, cut, sent; and the way back.

Which bytes frame an APDU in a short message is not public for the MCS301 (assumed: the wrapper of
IEC 62056-47, 8-bit data). Toward the meter the broadcast key protects, toward the head end the global
unicast key, where the link's ``protection`` asks for any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.base import Clock
from adapters.devices.gsm_line import REPORT_TIMEOUT_S, GsmLine
from adapters.errors import BenchError, NotPermitted, ReadTimeout, RemoteProtocolError
from adapters.profiles.model import Profile
from adapters.protocols.dlms import key_sets
from adapters.protocols.dlms.key_sets import BROADCAST_BIT, GlobalKeys, KeySet
from adapters.protocols.dlms.security import DecipheringFailed, InvocationCounter
from adapters.protocols.dlms.wrapper import HEADER_OCTETS, decode_datagram, encode_message
from adapters.protocols.gsm.concatenation import Reassembly, split
from adapters.protocols.gsm.pdu import Submit
from adapters.protocols.gsm.user_data import UserData
from adapters.registry import OpenedLink, Secret

_CONTROL = {"none": 0, "authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}
_HALVES = {
    "broadcast-authenticated": _CONTROL["authenticated"],
    "broadcast-encrypted": _CONTROL["encrypted"],
}
_KEYS = ("global.unicast_key", "global.broadcast_key", "global.authentication_key")


@dataclass(frozen=True, kw_only=True)
class MessageOut:
    """A service cut into short messages; ``counter`` -1 where nothing protects it."""

    pieces: tuple[UserData, ...]
    octets: int
    counter: int


@dataclass(frozen=True, kw_only=True)
class MessageIn:
    """A message of the meter. ``apdu`` is empty where it cannot be deciphered or read (``why``)."""

    sender: str
    source: int
    destination: int
    apdu: bytes
    protection: str  # unicast, broadcast, none, undecipherable
    counter: int
    why: str = ""


class SmsCounters:
    """The invocation counters of one device's global keys, and the references of its long messages."""

    def __init__(self, first: int) -> None:
        self.of = {each: InvocationCounter(first) for each in KeySet}
        self._reference = 0

    def reference(self) -> int:
        """Return the next reference of a long message."""
        self._reference = (self._reference + 1) % 256
        return self._reference


class SmsCarrier:
    """One modem and one meter's number."""

    def __init__(
        self,
        name: str,
        opened: OpenedLink,
        clock: Clock,
        profile: Profile,
        secrets: Mapping[str, Secret],
        counters: SmsCounters,
    ) -> None:
        options = opened.options
        if "number" not in options:
            raise BenchError(f"link {name}: framing sms needs the meter's telephone number (number: +49...)")
        self.name, self.profile, self.number = name, profile, options["number"]
        self.control = _CONTROL[options.get("protection", profile.security.policy)]
        self._report_timeout_s = float(options.get("report_timeout_s", REPORT_TIMEOUT_S))
        self._secrets, self._counters, self._clock = secrets, counters, clock
        self._title = bytes.fromhex(profile.security.client_system_title)
        self._server_sap = int(options.get("server_sap", profile.logical_device.sap))
        self._reassembly = Reassembly()
        self.line = GsmLine(name, opened.stream, clock, opened.tap)
        try:
            self.line.set_up()
        except BaseException:
            self.line.close()
            raise

    def prepare(
        self,
        apdu: bytes,
        client_sap: int,
        *,
        key: str = "policy",
        part_octets: int = 0,
        server_sap: int = 0,
    ) -> MessageOut:
        """Return ``apdu`` of a client protected, wrapped and cut; ``key`` as the role has it."""
        counter, control = -1, self.control
        if key == "policy":
            key = "broadcast" if control else "none"
        if key in _HALVES:
            key, control = "broadcast", _HALVES[key]
        if key != "none":
            control = control or _CONTROL["authenticated-encrypted"]
            key_set = KeySet.UNICAST if key == "unicast" else KeySet.BROADCAST
            keys, counter = self._keys(), self._counters.of[key_set].take()
            apdu = key_sets.protect(
                apdu,
                key=bytes(16) if key == "wrong-broadcast" else keys.of(key_set),
                authentication_key=keys.authentication,
                title=self._title,
                counter=counter,
                control=control | (BROADCAST_BIT if key_set is KeySet.BROADCAST else 0),
            )
        message = encode_message(client_sap, server_sap or self._server_sap, apdu)
        pieces = split(message, self._counters.reference(), part_octets=part_octets)
        return MessageOut(pieces=pieces, octets=len(message), counter=counter)

    def send(self, piece: UserData) -> bool:
        """Send one piece and return whether the network reports that the meter has it."""
        message = Submit(to=self.number, data=piece, wants_report=True)
        reference = self.line.send(message)
        return self.line.wait_for_report(reference, self.number, self._report_timeout_s)

    def receive(self, timeout_s: float) -> MessageIn | None:
        """Return the meter's next message, or None where none is whole in time."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            left_s = max(deadline_s - self._clock.monotonic_s(), 0.0)
            message = self.line.receive(left_s)
            if message is None:
                return None
            if message.sender != self.number:
                continue  # on record in the transcript; somebody else's message is none of the meter's
            whole = self._reassembly.add(message.sender, message.data, self._clock.monotonic_s())
            if whole is not None:
                return self._opened(message.sender, whole)

    def close(self) -> None:
        """Close the line to the modem."""
        self.line.close()

    # --- inside ----------------------------------------------------------------------------------------

    def _opened(self, sender: str, octets: bytes) -> MessageIn:
        source = destination = counter = -1
        protection, apdu = "none", b""
        try:
            wrapped = decode_datagram(octets)
            source, destination, apdu = wrapped.source, wrapped.destination, wrapped.apdu
            why = ""
            if key_sets.is_protected(apdu):
                header = key_sets.read_header(apdu)
                protection, counter, apdu = header.key_set.value, header.counter, b""
                keys = self._keys()
                apdu = key_sets.uncover(
                    header,
                    key=keys.of(header.key_set),
                    authentication_key=keys.authentication,
                    title=b"",
                    demanded=self.control,
                )
        except DecipheringFailed as error:
            protection, why = "undecipherable", str(error)
        except RemoteProtocolError as error:
            why = str(error)
        return MessageIn(
            sender=sender,
            source=source,
            destination=destination,
            apdu=apdu,
            protection=protection,
            counter=counter,
            why=why,
        )

    def _keys(self) -> GlobalKeys:
        missing = [name for name in _KEYS if name not in self._secrets]
        if missing:
            raise NotPermitted(f"link {self.name}: the bench gives no secret {', '.join(missing)}")
        unicast, broadcast, authentication = (self._secrets[name].reveal() for name in _KEYS)
        return GlobalKeys(unicast=unicast, broadcast=broadcast, authentication=authentication)


class SmsStream:
    """A carrier as the byte stream of a wrapper link: what is written is sent, what comes is read.

    Protection is put on and taken off here, so that the association above it, which is pre-established and
    has never negotiated any, sees plain APDUs.
    """

    def __init__(self, carrier: SmsCarrier) -> None:
        self._carrier = carrier

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send one wrapped APDU and wait until the network reports it delivered, or will not any more."""
        wrapped = decode_datagram(data)
        for piece in self._carrier.prepare(wrapped.apdu, wrapped.source).pieces:
            self._carrier.send(piece)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return the next APDU of the meter, wrapped. Raises ReadTimeout, RemoteProtocolError."""
        message = self._carrier.receive(timeout_s)
        if message is None:
            raise ReadTimeout(f"{self._carrier.name}: no message within {timeout_s:g} s")
        if not message.apdu:
            raise RemoteProtocolError(f"{self._carrier.name}: {message.why}")
        octets = encode_message(message.source, message.destination, message.apdu)
        assert len(octets) >= HEADER_OCTETS
        return octets

    def close(self) -> None:
        """Close the line to the modem."""
        self._carrier.close()
