"""One open wire to a DLMS meter and the conversation on it: bytes out, whole APDUs in, time-outs told apart.

A serial line is shared by all clients of a link (one HDLC connection per client address); over TCP every
association has a connection of its own. What a lab needs to know when nothing comes back is why: the
link closed (LinkLost), it garbled frames (FrameDamaged), or it is silent (ReadTimeout).
"""

from __future__ import annotations

from adapters.base import Clock
from adapters.devices.dlms_sign_on import sign_on
from adapters.errors import (
    BenchError,
    FrameDamaged,
    LinkLost,
    ReadTimeout,
    Refused,
    RemoteProtocolError,
    TransportError,
)
from adapters.profiles.model import Profile
from adapters.protocols.dlms.hdlc_client import HdlcClientLink
from adapters.protocols.dlms.link import (
    NEED_DATA,
    ApduReceived,
    ClientLink,
    DownReason,
    FrameDamagedEvent,
    FrameRejected,
    LinkDown,
    LinkUp,
    NeedData,
)
from adapters.protocols.dlms.wrapper import WrapperClientLink
from adapters.protocols.dlms.wrapper_udp import UdpClientLink
from adapters.registry import OpenedLink

READ_CHUNK_OCTETS = 65536
REPLY_TIMEOUT_S = 5.0
HDLC_RESPONSE_TIMEOUT_S = 1.5
UNCONFIRMED_SETTLE_S = 0.5
_DAMAGE_KEPT_OCTETS = 512


class DlmsLink:
    """An open wire. ``fresh`` is False once any client has spoken on it."""

    def __init__(self, name: str, opened: OpenedLink, clock: Clock, profile: Profile) -> None:
        self.name, self.opened, self.profile = name, opened, profile
        self._clock, self._stream, self._tap = clock, opened.stream, opened.tap
        options = opened.options
        serial = opened.serial is not None
        self.framing = options.get("framing", "hdlc" if serial else "wrapper")
        if self.framing not in ("hdlc", "wrapper", "sms"):
            raise BenchError(f"link {name}: framing {self.framing!r} is none of hdlc, wrapper, sms")
        self.shared = serial
        self.lossy = options.get("transport") == "udp"  # what is lost there is nobody's fault
        if self.lossy and self.framing != "wrapper":
            raise BenchError(f"link {name}: over UDP there is no framing but wrapper")
        self.reply_timeout_s = float(options.get("timeout_s", REPLY_TIMEOUT_S))
        self.response_timeout_s = min(
            self.reply_timeout_s, float(options.get("hdlc_timeout_s", HDLC_RESPONSE_TIMEOUT_S))
        )
        self.server_sap = int(options.get("server_sap", profile.logical_device.sap))
        self.open = True
        self._mode_e = options.get("mode_e", "no").lower() in ("yes", "true")
        self._in_hdlc = False  # after a sign-on, until the last HDLC connection ends
        self._connected: set[ClientLink] = set()  # engines whose link layer is up
        self._early = b""  # octets of HDLC that came together with the end of the sign-on

    def _prepare(self) -> None:
        """Do what the wire needs before HDLC: the mode E sign-on, where the bench asks for it."""
        if self._mode_e and not self._in_hdlc:
            self._early = sign_on(self.name, self.opened, self._clock)
            self._in_hdlc = True

    def engine(self, client_sap: int, server_sap: int | None = None) -> ClientLink:
        """Return a link engine for one client address; nothing has been sent yet.

        ``server_sap`` is another logical device than the bench's.
        """
        device = self.profile.logical_device
        options = self.opened.options
        server_sap = self.server_sap if server_sap is None else server_sap
        if self.lossy:
            return UdpClientLink(client_sap, server_sap)
        if self.framing in ("wrapper", "sms"):  # a short message carries one wrapped APDU
            return WrapperClientLink(client_sap, server_sap)
        return HdlcClientLink(
            client_sap,
            server_sap,
            physical=int(options.get("physical_address", device.physical_address)),
            address_length=int(options.get("address_length", device.address_length)),
            max_info=int(options.get("max_info", 128)),
            window=int(options.get("window", 1)),
        )

    def connect(self, engine: ClientLink) -> None:
        """Bring the link layer up for one client (SNRM). Raises Refused("disconnected") on DM."""
        signed_on_before = self._in_hdlc
        self._prepare()
        try:
            self._connect(engine)
        except ReadTimeout:
            if not (self._mode_e and signed_on_before) or self._connected:
                raise
            # The head may have gone back to waiting for a sign-on while nobody was connected.
            self._in_hdlc = False
            self._prepare()
            self._connect(engine)

    def _connect(self, engine: ClientLink) -> None:
        engine.connect()
        self._wait_for(engine, LinkUp)
        self._connected.add(engine)

    def disconnect(self, engine: ClientLink) -> None:
        """Take the link layer down (DISC). A meter that does not answer any more is left alone."""
        engine.disconnect()
        try:
            self._wait_for(engine, LinkDown)
        except (TransportError, Refused):
            self._tap.note("no answer to the disconnection")
        finally:
            self._connected.discard(engine)
            if not self._connected:
                self._in_hdlc = False

    def exchange(self, engine: ClientLink, apdu: bytes) -> ApduReceived:
        """Send one APDU and return the next one that comes back."""
        engine.send_apdu(apdu)
        event = self._wait_for(engine, ApduReceived)
        assert isinstance(event, ApduReceived)
        return event

    def send_octets(self, octets: bytes, timeout_s: float) -> bytes:
        """Send octets as they are, framing included; return the next that come, b"" for none in time."""
        self._stream.write(octets, self.reply_timeout_s)
        try:
            return self._stream.read(READ_CHUNK_OCTETS, timeout_s)
        except ReadTimeout:
            return b""

    def next_apdu(self, engine: ClientLink) -> ApduReceived:
        """Return the next APDU that comes in, within the reply time-out."""
        event = self._wait_for(engine, ApduReceived)
        assert isinstance(event, ApduReceived)
        return event

    def send_only(self, engine: ClientLink, apdu: bytes, *, connectionless: bool) -> ApduReceived | None:
        """Send an APDU that asks for no answer; return one that came all the same."""
        if connectionless:
            self._prepare()
            engine.send_unconfirmed(apdu)
        else:
            engine.send_apdu(apdu)
        try:
            event = self._wait_for(engine, ApduReceived, timeout_s=UNCONFIRMED_SETTLE_S, repeat=False)
        except ReadTimeout:
            return None
        assert isinstance(event, ApduReceived)
        return event

    def note(self, text: str) -> None:
        """Write a remark into the transcript."""
        self._tap.note(text)

    def close(self) -> None:
        """Close the wire without a word to the meter."""
        if self.open:
            self.open = False
            self._stream.close()

    def _flush(self, engine: ClientLink) -> None:
        data = engine.data_to_send()
        if data:
            self._stream.write(data, self.reply_timeout_s)

    def _wait_for(
        self,
        engine: ClientLink,
        wanted: type[LinkUp] | type[LinkDown] | type[ApduReceived],
        timeout_s: float | None = None,
        repeat: bool = True,
    ) -> LinkUp | LinkDown | ApduReceived:
        """Run the conversation until the wanted event, an error or the time is up."""
        clock, stream = self._clock, self._stream
        deadline_s = clock.monotonic_s() + (self.reply_timeout_s if timeout_s is None else timeout_s)
        damaged, rejected = b"", ""
        while True:
            while (event := engine.next_event()) is not NEED_DATA:
                assert not isinstance(event, NeedData)
                if isinstance(event, wanted):
                    self._flush(engine)
                    return event
                if isinstance(event, LinkDown):
                    raise self._down(engine, event, damaged, rejected)
                if isinstance(event, FrameDamagedEvent):
                    self._tap.note(f"damaged: {event.why}")
                    damaged = (damaged + event.data)[-_DAMAGE_KEPT_OCTETS:]
                elif isinstance(event, FrameRejected):
                    rejected = event.why
                    self._tap.note(f"rejected: {rejected}")
                elif isinstance(event, ApduReceived):
                    self._tap.note("an APDU nobody waits for")
            self._flush(engine)
            left_s = deadline_s - clock.monotonic_s()
            patience_s = min(left_s, self.response_timeout_s) if repeat and engine.checksummed else left_s
            if self._early:
                engine.receive_data(self._early)
                self._early = b""
                continue
            try:
                data = stream.read(READ_CHUNK_OCTETS, max(patience_s, 0.0))
            except ReadTimeout as silence:
                if patience_s < left_s and engine.awaiting_reply:
                    engine.response_timeout()
                    continue
                if patience_s < left_s:
                    continue
                raise self._silent(engine, damaged, rejected) from silence
            engine.receive_data(data)

    def _silent(self, engine: ClientLink, damaged: bytes, rejected: str) -> Exception:
        if engine.incomplete:  # a length octet was bent, or the rest got lost: no silence, in any case
            return FrameDamaged(
                f"link {self.name}: a message began and did not end within {self.reply_timeout_s:g} s",
                data=damaged,
            )
        if engine.frames_for_others and not engine.checksummed:
            # The connection is ours alone, and nothing vouches for the addresses in the header.
            return FrameDamaged(f"link {self.name}: a message came for another address", data=damaged)
        if damaged:
            return FrameDamaged(
                f"link {self.name} garbles: only damaged frames came within {self.reply_timeout_s:g} s"
                " (check the line settings and the cable)",
                data=damaged,
            )
        if rejected:
            return ReadTimeout(
                f"link {self.name}: no answer that is allowed here within {self.reply_timeout_s:g} s;"
                f" rejected: {rejected}"
            )
        return ReadTimeout(f"link {self.name} is silent: no answer within {self.reply_timeout_s:g} s")

    def _down(self, engine: ClientLink, event: LinkDown, damaged: bytes, rejected: str) -> Exception:
        match event.reason:
            case DownReason.NO_ANSWER:
                return self._silent(engine, damaged, rejected)
            case DownReason.CLOSED:
                return LinkLost(f"link {self.name}: the meter closed the connection", received=damaged)
            case DownReason.FRAME_REJECT | DownReason.PROTOCOL_ERROR:
                return RemoteProtocolError(
                    f"link {self.name} went down: {event.reason}", data=damaged, frame_intact=not damaged
                )
            case _:
                return Refused("disconnected", f"the meter answers {event.reason} on link {self.name}")
