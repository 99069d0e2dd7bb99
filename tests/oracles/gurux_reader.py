"""Reads a DLMS meter with gurux-dlms (GPL-2.0), as a program of its own; prints JSON. Not distributed.

python gurux_reader.py '{"link": "tcp", "host": ..., "port": ..., "client": 16, "mechanism": "none", ...}'
"""

from __future__ import annotations

import json
import socket
import sys

import serial
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, ObjectType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

MECHANISMS = {"none": Authentication.NONE, "lls": Authentication.LOW, "hls-gmac": Authentication.HIGH_GMAC}


class Wire:
    """A socket or a tty, read until the reply is whole."""

    def __init__(self, settings: dict) -> None:
        if settings["link"] == "tcp":
            self._socket = socket.create_connection((settings["host"], settings["port"]), timeout=5)
            self._read, self._write = lambda: self._socket.recv(4096), self._socket.sendall
        else:
            self._serial = serial.Serial(settings["port"], settings.get("baud", 9600), timeout=5)
            self._read = lambda: self._serial.read(max(1, self._serial.in_waiting))
            self._write = self._serial.write

    def ask(self, client: GXDLMSClient, request: object, reply: GXReplyData) -> None:
        if not request:
            return
        for frame in request if isinstance(request, list) else [request]:
            self._one(client, frame, reply)
            while reply.isMoreData():
                self._one(client, client.receiverReady(reply), reply)

    def _one(self, client: GXDLMSClient, frame: object, reply: GXReplyData) -> None:
        if frame is None:
            return
        self._write(bytes(frame))
        reply.error = 0
        received, notify = GXByteBuffer(), GXReplyData()
        while True:
            piece = self._read()
            if not piece:
                raise SystemExit("the meter is silent")
            received.set(piece)
            if client.getData(received, reply, notify):
                break
        if reply.error:
            raise SystemExit(f"error {reply.error}")


def main(settings: dict) -> dict:
    kind = InterfaceType.WRAPPER if settings["link"] == "tcp" else InterfaceType.HDLC
    client = GXDLMSSecureClient(
        True, settings["client"], 1, MECHANISMS[settings["mechanism"]], settings.get("password"), kind
    )
    if settings["mechanism"] == "hls-gmac":
        client.ciphering.systemTitle = bytes.fromhex(settings["client_system_title"])
        client.ciphering.blockCipherKey = bytes.fromhex(settings["encryption_key"])
        client.ciphering.authenticationKey = bytes.fromhex(settings["authentication_key"])
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        client.ciphering.invocationCounter = settings["invocation_counter"]
    wire = Wire(settings)

    def ask(request: object) -> GXReplyData:
        reply = GXReplyData()
        wire.ask(client, request, reply)
        return reply

    request = client.snrmRequest()
    if request:
        client.parseUAResponse(ask(request).data)
    client.parseAareResponse(ask(client.aarqRequest()).data)
    if settings["mechanism"] == "hls-gmac":
        client.parseApplicationAssociationResponse(ask(client.getApplicationAssociationRequest()).data)

    def read(item: object, attribute: int) -> object:
        return client.updateValue(item, attribute, ask(client.read(item, attribute)).value)

    found = {"name": bytes(read(GXDLMSData("0.0.42.0.0.255"), 2)).decode()}
    clock = GXDLMSClock("0.0.1.0.0.255")
    read(clock, 2)
    found["clock"] = str(clock.time.value)
    objects = client.parseObjects(ask(client.getObjectsRequest()).data, True)
    found["objects"] = len(objects)
    found["registers"] = len(objects.getObjects(ObjectType.REGISTER))
    if settings["client"] != 16:
        energy = GXDLMSRegister("1.0.1.8.0.255")
        read(energy, 3)
        read(energy, 2)
        found["energy"], found["unit"], found["scaler"] = energy.value, int(energy.unit), energy.scaler
    ask(client.releaseRequest())
    ask(client.disconnectRequest(True))
    return found


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
