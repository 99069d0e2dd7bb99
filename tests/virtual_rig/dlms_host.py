"""A host for tests of virtual meters: client engine over link engine over real wires, in virtual time.

Everything crosses bytes: ``Host`` opens a link of a provided bench, ``Peer`` is one client on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.base import LineSettings
from adapters.errors import LabError, LinkLost, ReadTimeout
from adapters.profiles.loader import load_profile
from adapters.profiles.model import obis_octets
from adapters.protocols.dlms import client_events as events
from adapters.protocols.dlms.client import ClientAssociation
from adapters.protocols.dlms.client_settings import ClientSettings
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import MechanismId
from adapters.protocols.dlms.hdlc import HdlcClientLink
from adapters.protocols.dlms.link import NEED_DATA, ApduReceived, LinkDown, LinkUp
from adapters.protocols.dlms.security import InvocationCounter, Keys
from adapters.protocols.dlms.wrapper import WrapperClientLink
from adapters.protocols.iec62056_21.events import NEED_DATA as SIGN_ON_NEEDS_DATA
from adapters.protocols.iec62056_21.events import HandedOver, LineChange, SignOnFailed
from adapters.protocols.iec62056_21.mode_e import ModeEClient
from adapters.transports.serial import SerialTransport
from adapters.transports.tcp import TcpTransport
from virtual_rig.provider import VirtualBench, VirtualProvider

MECHANISMS = {"none": MechanismId.NONE, "lls": MechanismId.LLS, "hls-gmac": MechanismId.HLS_GMAC}
PROFILE = load_profile("mcs301")
CLIENT_TITLE = bytes.fromhex(PROFILE.security.client_system_title)
TIMEOUT_S = 5.0


class Silence(LabError):
    """The meter did not answer."""


def opened(broken: str = "", *, seed: int = 7, **faults: str) -> VirtualBench:
    """Return the site mcs301 with one behaviour broken, or none."""
    ids = frozenset({broken}) if broken else frozenset()
    return VirtualProvider().open("mcs301", seed=seed, broken=ids, faults=faults)


@dataclass
class Host:
    """The lab's side of a site."""

    bench: VirtualBench
    streams: dict[str, SerialTransport] = field(default_factory=dict)
    connections: list[TcpTransport] = field(default_factory=list)
    signed_on: set[str] = field(default_factory=set)
    counters: dict[str, InvocationCounter] = field(default_factory=dict)

    def options(self, link: str) -> dict[str, str]:
        return self.bench.bench["devices"]["meter"]["links"][link]

    def stream(self, link: str) -> SerialTransport | TcpTransport:
        """Open ``link``; a serial line is opened once and shared."""
        options = self.options(link)
        if options["transport"] == "tcp":
            connection = TcpTransport.open(
                host=options["host"], port=int(options["port"]), clock=self.bench.clock
            )
            self.connections.append(connection)
            return connection
        if link not in self.streams:
            settings = LineSettings(baud=int(options["baud"]))
            self.streams[link] = SerialTransport.open(
                port=options["port"], settings=settings, clock=self.bench.clock
            )
        stream = self.streams[link]
        if options.get("mode_e") and link not in self.signed_on:
            sign_on(stream)
            self.signed_on.add(link)
        return stream

    def peer(self, client: str, link: str, mechanism: str = "", **changed: object) -> Peer:
        """Return a client on ``link``, its link layer up, its association closed."""
        return Peer(self, client, link, mechanism, **changed)

    def associated(self, client: str, link: str, mechanism: str = "", **changed: object) -> Peer:
        """Return a client with an open association. Raises AssertionError when the meter refuses."""
        peer = self.peer(client, link, mechanism, **changed)
        event = peer.associate()
        assert isinstance(event, events.AssociationAccepted | events.HlsConfirmed), event
        return peer

    def close(self) -> None:
        for stream in (*self.streams.values(), *self.connections):
            stream.close()
        self.bench.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sign_on(stream: SerialTransport) -> None:
    """Do the sign-on of mode E."""
    engine = ModeEClient()
    engine.start()
    while True:
        while (event := engine.next_event()) is not SIGN_ON_NEEDS_DATA:
            if data := engine.data_to_send():
                stream.write(data, TIMEOUT_S)
            if isinstance(event, LineChange):
                stream.configure(event.settings)
            elif isinstance(event, HandedOver):
                return
            assert not isinstance(event, SignOnFailed), event
        if data := engine.data_to_send():
            stream.write(data, TIMEOUT_S)
        try:
            engine.receive_data(stream.read(256, 2.0))
        except ReadTimeout:
            engine.response_timeout()


class Peer:
    """One client on one link."""

    def __init__(self, host: Host, client: str, link: str, mechanism: str = "", **changed: object) -> None:
        self.host, self.client, self.link = host, client, link
        self.stream = host.stream(link)
        entry = PROFILE.clients.get(client)
        sap = int(changed.pop("sap", entry.sap if entry else 0))  # type: ignore[call-overload]
        mechanism = mechanism or (entry.mechanism if entry else "none")
        pre_established = mechanism == "pre-established"
        self.serial = isinstance(self.stream, SerialTransport)
        self.engine = HdlcClientLink(sap, 1) if self.serial else WrapperClientLink(sap, 1)
        secrets = {
            name.rpartition(".")[2]: value
            for name, value in host.bench.secrets.items()
            if name.startswith(f"meter.{client}.")
        }
        options: dict[str, object] = {
            "mechanism": MECHANISMS.get(mechanism, MechanismId.NONE),
            "pre_established": pre_established,
        }
        if mechanism == "lls":
            options["secret"] = secrets["password"].encode()
        if mechanism == "hls-gmac":
            options |= {
                "keys": Keys(
                    encryption_key=bytes.fromhex(secrets["encryption_key"]),
                    authentication_key=bytes.fromhex(secrets["authentication_key"]),
                ),
                "system_title": CLIENT_TITLE,
                "ciphered": True,
            }
        self.dlms = ClientAssociation(ClientSettings(**(options | changed)), challenge=b"\x5a" * 16)  # type: ignore[arg-type]
        if self.dlms.channel is not None:
            # One counter a key, however many associations use it.
            self.dlms.channel.send = host.counters.setdefault(client, InvocationCounter(1))
        self.engine.connect()
        if not (pre_established and self.serial):
            self._until(LinkUp)

    # --- requests ----------------------------------------------------------------------------------------

    def associate(self, spoil: events.Spoil | None = None) -> object:
        """Send the AARQ and follow the exchange to its end."""
        return self._talk(self.dlms.associate(spoil))

    def get(self, class_id: int, obis: str, attribute: int = 2, **more: object) -> object:
        """GET; the event that ended it."""
        return self._talk(self.dlms.get(class_id, obis_octets(obis), attribute, **more))  # type: ignore[arg-type]

    def set(self, class_id: int, obis: str, attribute: int, data: Data, **more: object) -> object:
        """SET; the event that ended it."""
        return self._talk(self.dlms.set(class_id, obis_octets(obis), attribute, data, **more))  # type: ignore[arg-type]

    def action(
        self, class_id: int, obis: str, method: int, data: Data | None = None, **more: object
    ) -> object:
        """ACTION; the event that ended it."""
        return self._talk(self.dlms.action(class_id, obis_octets(obis), method, data, **more))  # type: ignore[arg-type]

    def value(self, class_id: int, obis: str, attribute: int = 2) -> object:
        """GET that must succeed; its plain value."""
        event = self.get(class_id, obis, attribute)
        assert isinstance(event, events.GetAnswered), event
        assert event.data is not None, event
        return event.data.plain()

    def release(self) -> object:
        """RLRQ, then DISC on a serial line."""
        event = self._talk(self.dlms.release())
        self.disconnect()
        return event

    def disconnect(self) -> None:
        """DISC on a serial line; hang up on IP."""
        if self.serial:
            self.engine.disconnect()
            self._until(LinkDown)
        else:
            self.stream.close()

    def send_only(self, apdu: bytes, wait_s: float = 0.2) -> bytes | None:
        """Send an APDU; return what comes back within ``wait_s``, if anything."""
        if self.serial and self.dlms.settings.pre_established:
            self.engine.send_unconfirmed(apdu)
        else:
            self.engine.send_apdu(apdu)
        try:
            return self._until(ApduReceived, wait_s).apdu
        except Silence:
            return None

    def exchange(self, apdu: bytes) -> bytes | None:
        """Send any octets as an APDU and return the answer."""
        return self.send_only(apdu, 2.0)

    def unconfirmed_set(self, class_id: int, obis: str, attribute: int, data: Data) -> bytes | None:
        """SET without an answer; whatever came back all the same."""
        request = self.dlms.set(class_id, obis_octets(obis), attribute, data, confirmed=False)
        return self.send_only(request)

    # --- inside ------------------------------------------------------------------------------------------

    def _talk(self, request: bytes) -> object:
        while True:
            self.engine.send_apdu(request)
            received = self._until(ApduReceived)
            event = self.dlms.receive(received.apdu, received.intact)
            if not isinstance(event, events.MoreBlocks | events.HlsChallenge):
                return event
            request = event.reply

    def _until(self, wanted: type, timeout_s: float = TIMEOUT_S) -> object:
        self._flush()
        deadline_s = self.host.bench.clock.monotonic_s() + timeout_s
        while True:
            while (event := self.engine.next_event()) is not NEED_DATA:
                self._flush()
                if isinstance(event, wanted):
                    return event
                assert not isinstance(event, LinkDown), event
            try:
                left_s = max(0.0, deadline_s - self.host.bench.clock.monotonic_s())
                self.engine.receive_data(self.stream.read(65536, left_s))
            except ReadTimeout:
                raise Silence(f"{self.client} on {self.link}: no {wanted.__name__}") from None
            except LinkLost:
                self.engine.receive_data(b"")

    def _flush(self) -> None:
        if data := self.engine.data_to_send():
            self.stream.write(data, TIMEOUT_S)
