"""What the framing tests share: the golden vectors, and a wire between two engines."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.protocols.dlms.hdlc import HdlcClientLink, HdlcServerLink
from adapters.protocols.dlms.link import NEED_DATA, ApduReceived, LinkEvent

GOLDEN = Path(__file__).parent.parent / "golden" / "framing.yaml"


@cache
def golden() -> dict[str, list[dict[str, Any]]]:
    """Return the vectors, with every ``hex`` as ``octets``."""
    sections = yaml.safe_load(GOLDEN.read_text())
    for section in sections.values():
        for vector in section:
            if "hex" in vector:
                vector["octets"] = bytes.fromhex(vector["hex"].replace(" ", ""))
    return sections


def named(section: str) -> list[Any]:
    """Return pytest parameters, one per vector."""
    return [pytest.param(v, id=v.get("name", v["source"][:30])) for v in golden()[section]]


def vector(name: str) -> bytes:
    """Return the octets of one HDLC vector."""
    return next(v["octets"] for v in golden()["hdlc"] if v["name"] == name)


def events_of(link: Any) -> list[LinkEvent]:
    """Return all events that are due."""
    events = []
    while (event := link.next_event()) is not NEED_DATA:
        events.append(event)
    return events


class Pair:
    """A client and a server engine on a perfect wire; the server answers each APDU with ``answer(apdu)``."""

    def __init__(
        self,
        client: HdlcClientLink,
        server: HdlcServerLink,
        answer: Callable[[bytes], bytes | None] = lambda apdu: apdu,
    ) -> None:
        self.client, self.server, self.answer = client, server, answer
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.client_events: list[LinkEvent] = []
        self.server_events: list[LinkEvent] = []

    def serve(self) -> None:
        """Let the server deal with what it has received."""
        while (event := self.server.next_event()) is not NEED_DATA:
            self.server_events.append(event)
            if isinstance(event, ApduReceived) and not event.connectionless:
                reply = self.answer(event.apdu)
                if reply is None:
                    self.server.no_reply(event.client_sap, event.server_sap)
                else:
                    self.server.send_apdu(reply, event.client_sap, event.server_sap)

    def run(self) -> list[LinkEvent]:
        """Carry frames to and fro until both are silent; return the client's new events."""
        before = len(self.client_events)
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.to_server.append(sent)
                self.server.receive_data(sent)
            self.serve()
            answered = self.server.data_to_send()
            if answered:
                self.to_client.append(answered)
                self.client.receive_data(answered)
            self.client_events += events_of(self.client)
            if not sent and not answered:
                return self.client_events[before:]
