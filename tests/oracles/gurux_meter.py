# mypy: disable-error-code="import-untyped, misc"
"""A foreign meter: the gurux-dlms server classes behind a TCP port or a terminal, as a program.

LICENCE. This script loads gurux-dlms, which is GPL-2.0-only; whoever runs it runs a combination under that
licence. The tests start it with subprocess, and nothing of MeterBench imports it (see README.md here).

    gurux_meter.py tcp        listens on a free port of the loopback interface
    gurux_meter.py pty        opens a pseudo-terminal and speaks HDLC on it
                              either with whole-seconds: the clock counts no hundredths

It prints one line of JSON, ``{"host": ..., "port": ...}`` or ``{"port": "/dev/pts/N"}``, and serves until
stdin ends. Client 16 reads without a password, client 1 with the password ``Foreign1`` (LLS).

The Python server of gurux-dlms 1.0.203 does not work as it comes (a property that calls itself, methods
its own code calls and nobody wrote). What is missing is supplied here in ``Meter`` and ``Reply``, no more
than that: its answers, good and bad, are its own. HLS is out of its reach.
"""

from __future__ import annotations

import datetime
import json
import os
import pty
import select
import socket
import sys
import threading
import tty
from typing import Any

from gurux_dlms import GXDateTime, GXDLMSServer, GXServerReply, GXUInt32
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import (
    AccessMode,
    Authentication,
    InterfaceType,
    MethodAccessMode,
    SourceDiagnostic,
    Unit,
)
from gurux_dlms.enums.DataType import DataType
from gurux_dlms.GXDLMSLongTransaction import GXDLMSLongTransaction
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSClock, GXDLMSData, GXDLMSRegister
from gurux_dlms.ValueEventArgs import ValueEventArgs

NAME, SERIAL, PASSWORD = b"GRX0000000012345", "12345678", b"Foreign1"
IDLE, GUEST, READER = 0, 16, 1
MAX_PDU = 1024

ValueEventArgs.isSkipMaxPduSize = lambda self: self.skipMaxPduSize
GXDLMSLongTransaction.setData = lambda self, data: setattr(self, "data", data)


class Reply(GXServerReply):
    """What the server calls and GXServerReply lacks."""

    def setReply(self, value: Any) -> None:
        self.reply = value

    def getConnectionInfo(self) -> Any:
        return self.connectionInfo

    def getCount(self) -> int:
        return int(self.count)

    def setCount(self, value: int) -> None:
        self.count = value


class Meter(GXDLMSServer):
    """A meter with a name, a clock and a few registers, for one connection."""

    def __init__(self, interface: InterfaceType) -> None:
        super().__init__(True, interface)
        self.settings.maxServerPDUSize = MAX_PDU
        for made in objects():
            self.items.append(made)
        self.initialize()

    # --- what its own code calls and nobody wrote -------------------------------------------------------

    maxReceivePDUSize = property(  # noqa: N815 - theirs calls itself
        lambda self: self.settings.maxServerPDUSize,
        lambda self, value: setattr(self.settings, "maxServerPDUSize", value),
    )

    def setTransaction(self, value: Any) -> None:
        self.transaction = value

    def getTransaction(self) -> Any:
        return self.transaction

    def notifyRead(self, *_: Any) -> None:
        """Nobody listens."""

    def notifyConnected(self, *_: Any) -> None:
        """Nobody listens."""

    def handleSnrmRequest(self, data: Any) -> None:
        """Answer with a UA without information, the defaults of IEC 62056-46. Theirs reads from None."""
        self.reset(True)
        self.settings.connected = ConnectionState.HDLC

    def generateDisconnectRequest(self) -> None:
        """Answer with a bare UA. Theirs reads from None."""

    def handleReleaseRequest(self, data: Any) -> None:
        """Over HDLC, answer as theirs means to; it hands the LLC octets to a call that takes none."""
        if self.settings.interfaceType == InterfaceType.HDLC:
            self.replyData.set(bytes((0xE6, 0xE7, 0x00, 0x63, 0x03, 0x80, 0x01, 0x00)))
        else:
            super().handleReleaseRequest(data)

    # --- what a server has to decide --------------------------------------------------------------------

    def isTarget(self, serverAddress: int, clientAddress: int) -> bool:  # noqa: N803
        return serverAddress == 1 and clientAddress in (GUEST, READER)

    def onValidateAuthentication(self, authentication: Any, password: Any) -> Any:
        if self.settings.clientAddress == GUEST and authentication == Authentication.NONE:
            return SourceDiagnostic.NONE
        if authentication != Authentication.LOW:
            return SourceDiagnostic.AUTHENTICATION_REQUIRED
        right = password is not None and bytes(password) == PASSWORD
        return SourceDiagnostic.NONE if right else SourceDiagnostic.AUTHENTICATION_FAILURE

    def onFindObject(self, *_: Any) -> None:
        return None

    def onGetAttributeAccess(self, arg: Any) -> Any:
        return AccessMode.READ

    def onGetMethodAccess(self, arg: Any) -> Any:
        return MethodAccessMode.NO_ACCESS

    def _nothing(self, *_: Any) -> None:
        """Let it happen."""

    onPreGet = onPostGet = onPreRead = onPostRead = onPreWrite = onPostWrite = _nothing  # noqa: N815
    onConnected = onInvalidConnection = onDisconnected = onPreAction = onPostAction = _nothing  # noqa: N815


class RunningClock(GXDLMSClock):
    """A clock that shows the time of this machine, in UTC."""

    whole_seconds = False

    def getValue(self, settings: Any, e: Any) -> Any:
        if e.index == 2:
            now = datetime.datetime.now(datetime.UTC)  # noqa: TID251
            self.time = GXDateTime(now.replace(microsecond=0) if self.whole_seconds else now)
        return super().getValue(settings, e)


def objects() -> list[Any]:
    """Return the meter's objects."""
    association = GXDLMSAssociationLogicalName("0.0.40.0.0.255")
    name, device = GXDLMSData("0.0.42.0.0.255"), GXDLMSData("0.0.96.1.0.255")
    name.value, device.value = bytearray(NAME), bytearray(SERIAL.encode())
    for each in (name, device):
        each.setDataType(2, DataType.OCTET_STRING)
    registers = []
    for obis, value, scaler, unit in (
        ("1.0.1.8.0.255", 1234567, 0, Unit.ACTIVE_ENERGY),
        ("1.0.2.8.0.255", 89, 0, Unit.ACTIVE_ENERGY),
        ("1.0.32.7.0.255", 2301, -1, Unit.VOLTAGE),
        ("1.0.31.7.0.255", 5012, -3, Unit.CURRENT),
    ):
        register = GXDLMSRegister(obis)
        register.value, register.scaler, register.unit = GXUInt32(value), 10**scaler, unit
        register.setDataType(2, DataType.UINT32)
        registers.append(register)
    clock = RunningClock("0.0.1.0.0.255")
    clock.timeZone = 0
    found = [association, name, device, clock, *registers]
    for each in found:  # a list that is empty when it starts makes the server fail
        association.objectList.append(each)
    return found


def answer(meter: Meter, data: bytes) -> bytes:
    """Return what the meter says to ``data``; nothing while a frame is incomplete."""
    reply = Reply(data)
    meter.handleRequest(reply)
    return bytes(reply.reply) if reply.reply else b""


def serve_connection(connection: socket.socket) -> None:
    """Serve one TCP connection until the far end closes it."""
    meter = Meter(InterfaceType.WRAPPER)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            if said := answer(meter, data):
                connection.sendall(said)


def accept(listener: socket.socket) -> None:
    """Serve connections, each in a thread of its own."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_connection, args=(connection,), daemon=True).start()


def serve_terminal(terminal: int) -> None:
    """Serve one terminal."""
    meter = Meter(InterfaceType.HDLC)
    while select.select([terminal], [], [])[0]:
        if said := answer(meter, os.read(terminal, 65536)):
            os.write(terminal, said)


def main(kind: str, *options: str) -> None:
    """Serve until stdin ends."""
    RunningClock.whole_seconds = "whole-seconds" in options
    told = os.fdopen(os.dup(1), "w")
    sys.stdout = sys.stderr  # gurux prints while it works
    if kind == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        where: dict[str, object] = {"host": "127.0.0.1", "port": listener.getsockname()[1]}
        serving = threading.Thread(target=accept, args=(listener,), daemon=True)
    else:
        ours, theirs = pty.openpty()
        tty.setraw(ours)
        tty.setraw(theirs)
        where = {"port": os.ttyname(theirs)}
        serving = threading.Thread(target=serve_terminal, args=(ours,), daemon=True)
    serving.start()
    told.write(json.dumps(where) + "\n")
    told.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:] or ("tcp",))
