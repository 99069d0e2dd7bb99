"""An outside witness: the gurux-dlms client, driven by JSON lines on stdin, answering on stdout.

LICENCE. This script loads gurux-dlms, which is GPL-2.0-only; whoever runs it runs a combination under that
licence. That is why it is a program of its own: the tests and benchmarks start it with subprocess and talk
to it over pipes, and nothing of MeterBench imports it or gurux-dlms (see README.md in this folder).

One request a line, one answer a line:

    {"do": "open", "transport": "tcp", "host": ..., "port": ..., "client": 16, "authentication": "NONE"}
    {"do": "get", "class": 1, "obis": "0.0.42.0.0.255", "attribute": 2}     -> {"value": ...}
    {"do": "get_list", "objects": [{"class": 1, "obis": ...}, ...]}         -> {"values": [...]}
    {"do": "set_octets", "obis": ..., "value": hex, "room": 40}             -> {"frames": 2}
    {"do": "register", "obis": "1.0.1.8.0.255"}          -> {"value": ..., "scaler": ..., "unit": ...}
    {"do": "clock", "obis": "0.0.1.0.0.255"}             -> {"utc": ISO 8601}
    {"do": "objects"}                                    -> {"objects": [[class, version, obis, rights], ...]}
    {"do": "rows", "obis": ..., "since": ISO 8601, "until": ISO 8601}   or   "first": 1, "count": 10
                                                         -> {"rows": [[UTC or value ...] ...], "seconds": ...}
    {"do": "upgrade", "obis": "0.0.44.0.0.255", "identifier": ..., "image": hexadecimal, "patience_s": 30}
                                                         -> {"blocks": ..., "verifies": ..., "info": ..., ...}
    {"do": "image", "obis": "0.0.44.0.0.255", "identifier": ..., "image": hexadecimal}
                                                         -> {"octets": ..., "seconds": ..., ...}
    {"do": "time", "gets": 500, "class": 1, "obis": ..., "attribute": 2}    -> {"seconds": ...}
    {"do": "close"}

A refusal or a failure is answered ``{"error": <exception type>, "message": ...}``; the program lives on.
It moves bytes by blocking sockets and file descriptors of its own, not by gurux-net and gurux-serial: those
hand every byte through a second thread, and a benchmark must show the codec at its best.
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import select
import socket
import sys
import termios
import tty
from time import perf_counter, process_time, sleep  # noqa: TID251 - this is a process of its own
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXDLMSException, GXReplyData
from gurux_dlms.ecdsa import GXPrivateKey, GXPublicKey
from gurux_dlms.enums import Authentication, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.objects import (
    GXDLMSClock,
    GXDLMSData,
    GXDLMSImageTransfer,
    GXDLMSObject,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

TIMEOUT_S = 5.0
CHUNK_OCTETS = 65536


class Refused(Exception):
    """The meter answered, but not with success."""


class Tcp:
    """A blocking socket, without delay for small segments."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.write, self.close = self._socket.sendall, self._socket.close

    def read(self) -> bytes:
        """Return the next octets. Raises TimeoutError or ConnectionError."""
        data = self._socket.recv(CHUNK_OCTETS)
        if not data:
            raise ConnectionError("the meter closed the connection")
        return data


class Tty:
    """A terminal in raw mode."""

    def __init__(self, port: str, baud: int) -> None:
        self._fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._fd)
        settings = termios.tcgetattr(self._fd)
        settings[4] = settings[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self._fd, termios.TCSANOW, settings)
        self._waiting = select.poll()
        self._waiting.register(self._fd, select.POLLIN)

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        while data:
            data = data[os.write(self._fd, data) :]

    def read(self) -> bytes:
        """Return the next octets. Raises TimeoutError."""
        if not self._waiting.poll(TIMEOUT_S * 1000):
            raise TimeoutError("nothing came back")
        return os.read(self._fd, CHUNK_OCTETS)

    def close(self) -> None:
        """Close the terminal."""
        os.close(self._fd)


class Session:
    """One association of a gurux client on one wire."""

    def __init__(self, request: dict[str, Any]) -> None:
        tcp = request["transport"] == "tcp"
        self.client = GXDLMSSecureClient(
            True,
            request["client"],
            request.get("server", 1),
            getattr(Authentication, request["authentication"]),
            request.get("password"),
            InterfaceType.WRAPPER if tcp else InterfaceType.HDLC,
        )
        if "system_title" in request:
            ciphering = self.client.ciphering
            ciphering.systemTitle = bytearray.fromhex(request["system_title"])
            ciphering.blockCipherKey = bytearray.fromhex(request["encryption_key"])
            ciphering.authenticationKey = bytearray.fromhex(request["authentication_key"])
            ciphering.invocationCounter = request.get("counter", 1)
            ciphering.security = getattr(Security, request.get("security", "AUTHENTICATION_ENCRYPTION"))
            ciphering.securitySuite = SecuritySuite(request.get("suite", 0))
        if "signing_key" in request:
            ciphering.signingKeyPair = (
                GXPublicKey.fromRawBytes(bytearray.fromhex("04" + request["meter_public_key"])),
                GXPrivateKey.fromRawBytes(bytearray.fromhex(request["signing_key"])),
            )
        self.wire: Tcp | Tty = (
            Tcp(request["host"], int(request["port"]))
            if tcp
            else Tty(request["port"], int(request.get("baud", 9600)))
        )
        self._hdlc = not tcp
        self.granted: dict[str, Any] = {}

    def open(self) -> None:
        """Open the link and the association."""
        client = self.client
        if self._hdlc:
            client.parseUAResponse(self.exchange(client.snrmRequest()).data)
        client.parseAareResponse(self.asked(client.aarqRequest()).data)
        if client.getIsAuthenticationRequired():
            client.parseApplicationAssociationResponse(
                self.asked(client.getApplicationAssociationRequest()).data
            )
        title = client.settings.sourceSystemTitle
        self.granted = {
            "max_pdu": client.maxReceivePDUSize,
            "conformance": int(client.negotiatedConformance),
            "meter_system_title": bytes(title).hex() if title else "",
        }

    def close(self) -> None:
        """Release the association and the link, as far as the meter still answers."""
        with contextlib.suppress(Exception):
            if (release := self.client.releaseRequest()) is not None:
                self.asked(release)
        with contextlib.suppress(Exception):
            if self._hdlc:
                self.exchange(self.client.disconnectRequest(True))
        self.wire.close()

    # --- services ---------------------------------------------------------------------------------------

    def get(self, request: dict[str, Any]) -> dict[str, Any]:
        """GET one attribute."""
        return {"value": plain(self._value(self._target(request), request["attribute"]))}

    def set_octets(self, request: dict[str, Any]) -> dict[str, Any]:
        """SET an octet-string; ``room`` is how long an APDU may be before gurux sends blocks."""
        target = GXDLMSData(request["obis"])
        target.setDataType(2, DataType.OCTET_STRING)
        target.value = bytearray.fromhex(request["value"])
        self.client.settings.maxPduSize = request["room"]
        frames = self.client.write(target, 2)
        self.asked(frames)
        return {"frames": len(frames)}

    def get_list(self, request: dict[str, Any]) -> dict[str, Any]:
        """GET attributes 2 of several objects in one request."""
        wanted = [(self._target(each), 2) for each in request["objects"]]
        values: list[Any] = []
        for frames in self.client.readList(wanted):
            values += self.asked(frames).value
        return {"values": plain(values)}

    def register(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read scaler, unit and value of a register; gurux applies the scaler."""
        register = GXDLMSRegister(request["obis"])
        self._update(register, 3)
        self._update(register, 2)
        return {
            "value": str(register.value),
            "scaler": register.scaler,
            "unit": register.unit.name,
            "unit_code": int(register.unit),
        }

    def clock(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read a clock; gurux applies the deviation."""
        clock = GXDLMSClock(request["obis"])
        self._update(clock, 2)
        at: datetime.datetime = clock.time.value
        return {"utc": at.astimezone(datetime.UTC).isoformat(), "status": int(clock.time.status)}

    def objects(self) -> dict[str, Any]:
        """Read the object list of the association."""
        reply = self.asked(self.client.getObjectsRequest())
        rows = []
        for each in self.client.parseObjects(reply.data, False, False):
            rights = {
                number: int(each.getAccess(number)) for number in range(1, each.getAttributeCount() + 1)
            }
            rows.append([int(each.objectType), each.version, each.logicalName, rights])
        return {"objects": rows}

    def rows(self, request: dict[str, Any]) -> dict[str, Any]:
        """Read rows of a load profile; times become UTC. The clock runs from the request to the rows."""
        profile = GXDLMSProfileGeneric(request["obis"])
        self._update(profile, 3)
        began_s, cpu_s = perf_counter(), process_time()
        if "first" in request:
            frames = self.client.readRowsByEntry(profile, request["first"], request["count"])
        else:
            ends = (datetime.datetime.fromisoformat(request[end]) for end in ("since", "until"))
            frames = self.client.readRowsByRange(profile, *ends)
        self.client.updateValue(profile, 2, self.asked(frames).value)
        seconds, cpu_s = perf_counter() - began_s, process_time() - cpu_s
        return {
            "rows": [[moment_or_plain(cell) for cell in row] for row in profile.buffer],
            "seconds": seconds,
            "cpu_seconds": cpu_s,
        }

    def image(self, request: dict[str, Any]) -> dict[str, Any]:
        """Bring an image into the meter and read its bitmap, no more; timed here."""
        transfer, client = GXDLMSImageTransfer(request["obis"]), self.client
        image = bytes.fromhex(request["image"])
        began_s, cpu_s = perf_counter(), process_time()
        self._update(transfer, 2)
        self.asked(transfer.imageTransferInitiate(client, request["identifier"], len(image)))
        for frames in transfer.imageBlockTransfer(client, image, [0]):
            self.asked(frames)
        self._update(transfer, 3)
        bits = str(transfer.imageTransferredBlocksStatus)
        return {
            "seconds": perf_counter() - began_s,
            "cpu_seconds": process_time() - cpu_s,
            "octets": min(bits.count("1") * transfer.imageBlockSize, len(image)),
        }

    def upgrade(self, request: dict[str, Any]) -> dict[str, Any]:
        """Transfer, verify and begin to activate an image, the way gurux's own class does it."""
        transfer = GXDLMSImageTransfer(request["obis"])
        image = bytes.fromhex(request["image"])
        for number in (5, 2):
            self._update(transfer, number)
        client = self.client
        self.asked(transfer.imageTransferInitiate(client, request["identifier"], len(image)))
        self._update(transfer, 6)
        initiated = int(transfer.imageTransferStatus)
        count = [0]
        for frames in transfer.imageBlockTransfer(client, image, count):
            self.asked(frames)
        for number in (3, 4):
            self._update(transfer, number)
        bits, first_missing = (
            str(transfer.imageTransferredBlocksStatus),
            transfer.imageFirstNotTransferredBlockNumber,
        )
        verifies = self._until_done(transfer.imageVerify, request["patience_s"])
        for number in (6, 7):
            self._update(transfer, number)
        verified = int(transfer.imageTransferStatus)
        info = [
            [int(each.size), bytes(each.identification).hex(), bytes(each.signature).hex()]
            for each in transfer.imageActivateInfo
        ]
        with contextlib.suppress(Refused):  # temporary-failure: it has begun
            self.asked(transfer.imageActivate(client))
        self._update(transfer, 6)
        return {
            "block_size": transfer.imageBlockSize,
            "initiated": initiated,
            "blocks": count[0],
            "bits": bits,
            "first_missing": first_missing,
            "verifies": verifies,
            "verified": verified,
            "info": info,
            "activating": int(transfer.imageTransferStatus),
        }

    def _until_done(self, method: Any, patience_s: float) -> int:
        """Invoke a method until the meter no longer says temporary-failure; return how often."""
        gives_up_s = perf_counter() + patience_s
        for attempt in itertools.count(1):
            try:
                self.asked(method(self.client))
            except Refused as refusal:
                if "temporary" not in str(refusal).lower() or perf_counter() > gives_up_s:
                    raise
                sleep(0.05)
            else:
                return attempt
        raise AssertionError("count never ends")

    def time(self, request: dict[str, Any]) -> dict[str, Any]:
        """GET one attribute many times; the clock runs from the first request to the last value."""
        target, attribute = self._target(request), request["attribute"]
        began_s = perf_counter()
        cpu_s = process_time()
        for _ in range(request["gets"]):
            value = self._value(target, attribute)
        return {
            "seconds": perf_counter() - began_s,
            "cpu_seconds": process_time() - cpu_s,
            "value": plain(value),
        }

    # --- inside -----------------------------------------------------------------------------------------

    def exchange(self, frame: Any) -> GXReplyData:
        """Send one frame and return what comes back. Raises Refused for an error in the answer."""
        self.wire.write(bytes(frame))
        reply, received = GXReplyData(), GXByteBuffer()
        received.set(self.wire.read())
        while not self.client.getData(received, reply, None):
            received.set(self.wire.read())
        if reply.error:
            raise Refused(GXDLMSException.getDescription(reply.error))
        return reply

    def asked(self, frames: Any) -> GXReplyData:
        """Send a request of one or more frames and gather an answer of one or more frames or blocks."""
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self._one(frame, reply)
            while reply.isMoreData():
                self._one(self.client.receiverReady(reply), reply)
        return reply

    def _one(self, frame: Any, reply: GXReplyData) -> None:
        self.wire.write(bytes(frame))
        received = GXByteBuffer()
        received.set(self.wire.read())
        while not self.client.getData(received, reply, None):
            received.set(self.wire.read())
        if reply.error:
            raise Refused(GXDLMSException.getDescription(reply.error))

    def _target(self, request: dict[str, Any]) -> GXDLMSObject:
        target: GXDLMSObject = self.client.createObject(ObjectType(request["class"]))
        target.logicalName = request["obis"]
        return target

    def _value(self, target: GXDLMSObject, attribute: int) -> Any:
        return self.asked(self.client.read(target, attribute)).value

    def _update(self, target: GXDLMSObject, attribute: int) -> None:
        self.client.updateValue(target, attribute, self._value(target, attribute))


def opened(request: dict[str, Any]) -> Session:
    """Return a session with its association open; a refused one leaves no wire behind."""
    session = Session(request)
    try:
        session.open()
    except BaseException:
        session.close()
        raise
    return session


def moment_or_plain(value: Any) -> Any:
    """Return a gurux date-time in UTC, anything else as ``plain`` has it."""
    if isinstance(value, GXDateTime):
        return value.value.astimezone(datetime.UTC).isoformat()
    return plain(value)


def plain(value: Any) -> Any:
    """Return a gurux value as JSON takes it; octets in hexadecimal."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def main() -> None:
    """Serve requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - gurux prints to stdout while it works
    session: Session | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "open":
                session = opened(request)
                answer = session.granted
            elif request["do"] == "close":
                if session is not None:
                    session.close()
                session, answer = None, {}
            elif session is None:
                raise RuntimeError("open first")
            elif request["do"] == "objects":
                answer = session.objects()
            else:
                answer = getattr(session, request["do"])(request)
        except Exception as error:  # noqa: BLE001 - a witness reports whatever befell it
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
