"""Packets from elsewhere, both ways: read as what they are, and made again octet for octet."""

from __future__ import annotations

from typing import Any

import pytest
from c1218_peer import golden, named

from adapters.protocols.c1218.describe import describe_request, describe_response
from adapters.protocols.c1218.packets import TOGGLE, Packet, decode_packet, encode_packet
from adapters.protocols.c1218.services import decode_request, decode_response
from adapters.protocols.crc import checksum_octets

MADE = golden("c1218_termineter.yaml")


def made_again(packet: Packet, service: bytes) -> bytes:
    """Return what our encoder makes of the same fields."""
    return encode_packet(service, control=packet.control, sequence=packet.sequence, identity=packet.identity)


@pytest.mark.parametrize("vector", named("requests"))
def test_golden_request_is_read_and_made_again(vector: dict[str, Any]) -> None:
    """A request somebody else's reader sent."""
    packet = decode_packet(vector["octets"])
    assert vector.get("toggle", False) == bool(packet.control & TOGGLE)
    assert vector.get("identity", 0) == packet.identity
    request = decode_request(packet.data)
    assert vector["says"] == describe_request(request)
    assert vector["octets"] == made_again(packet, request.encode())


@pytest.mark.parametrize("vector", named("responses"))
def test_golden_response_is_read_and_made_again(vector: dict[str, Any]) -> None:
    """A response somebody else's meter gave."""
    packet = decode_packet(vector["octets"])
    assert vector.get("toggle", False) == bool(packet.control & TOGGLE)
    response = decode_response(decode_request(bytes.fromhex(vector["request"])), packet.data)
    assert vector["says"] == describe_response(response)
    assert vector["octets"] == made_again(packet, response.encode())


@pytest.mark.parametrize("name", MADE["requests"])
def test_golden_packet_of_termineter_is_read_and_made_again(name: str) -> None:
    """The same request with and without the toggle bit."""
    vector = {key: bytes.fromhex(text) for key, text in MADE["requests"][name].items()}
    assert vector["packet"] == encode_packet(vector["service"])
    assert vector["toggled"] == encode_packet(vector["service"], control=TOGGLE)
    assert vector["service"] == decode_packet(vector["toggled"]).data
    assert vector["service"] == decode_request(decode_packet(vector["packet"]).data).encode()


@pytest.mark.parametrize("vector", MADE["checksums"])
def test_golden_packet_checksum_is_that_of_termineter(vector: dict[str, str]) -> None:
    """CRC-16/X.25, low octet first."""
    assert bytes.fromhex(vector["packet"]) == checksum_octets(bytes.fromhex(vector["data"]))
