"""Octets of other people: what they mean, and that we would have sent the same."""

from __future__ import annotations

from typing import Any

import pytest
from framing_helpers import golden, named

from adapters.protocols.crc import checksum_octets, crc16_x25, is_intact
from adapters.protocols.dlms.hdlc import HdlcFrame, HdlcStream, decode_frame
from adapters.protocols.dlms.hdlc_parameters import decode_parameters
from adapters.protocols.dlms.link_text import describe, split_for_log


def test_crc_check_string_gives_the_catalogue_value() -> None:
    """CRC-16/X.25 of 123456789 is 0x906E in every CRC catalogue."""
    assert crc16_x25(b"123456789") == 0x906E


def test_crc_c1218_identify_has_its_published_checksum() -> None:
    """ANSI C12.18 sends 13 10 behind EE 00 00 00 00 01 20: the same CRC, low octet first."""
    packet = bytes.fromhex("EE0000000001 20".replace(" ", ""))
    assert checksum_octets(packet) == bytes.fromhex("1310")
    assert is_intact(packet + bytes.fromhex("1310"))


@pytest.mark.parametrize("vector", named("hdlc"))
def test_frame_of_others_decodes_to_what_it_is_said_to_be(vector: dict[str, Any]) -> None:
    """Every foreign frame has the kind, the addresses and the length its source says."""
    frame = decode_frame(vector["octets"])
    assert frame.kind is not None
    assert frame.kind.name == vector["kind"]
    assert frame.control == vector["control"]
    assert len(frame.information) == vector["info"]
    assert frame.segmented is vector.get("segmented", False)
    client = frame.source if vector["kind"] in ("SNRM", "DISC") else frame.destination
    for key, address in (("destination", frame.destination), ("source_address", frame.source)):
        if key in vector:
            expected = vector[key]
            assert (address.upper, address.lower, address.octets) == (
                expected["upper"],
                expected["lower"],
                expected["octets"],
            )
            client = frame.source if key == "destination" else frame.destination
    if frame.information[:2] == b"\xe6\xe6" or vector["name"] in ("rr", "rnr"):
        client = frame.source
    assert client.upper == vector["client"]


@pytest.mark.parametrize("vector", named("hdlc"))
def test_frame_of_others_encodes_to_the_same_octets(vector: dict[str, Any]) -> None:
    """Decoding and encoding again gives the foreign octets back, checksums included."""
    assert decode_frame(vector["octets"]).encode() == vector["octets"]


@pytest.mark.parametrize("vector", named("hdlc_streams"))
def test_stream_of_others_gives_its_frames(vector: dict[str, Any]) -> None:
    """Frames that follow each other flag to flag are all found, with their segmentation bits."""
    stream = HdlcStream()
    stream.receive_data(vector["octets"])
    frames = []
    while (item := stream.next_frame()) is not None:
        assert isinstance(item, HdlcFrame)
        frames.append(item)
    assert [frame.control for frame in frames] == vector["controls"]
    assert [len(frame.information) for frame in frames] == vector["infos"]
    assert [frame.segmented for frame in frames] == vector["segmented"]


@pytest.mark.parametrize("vector", named("parameters"))
def test_parameters_of_others_mean_what_they_should(vector: dict[str, Any]) -> None:
    """Information fields of foreign SNRM and UA frames give the numbers their makers meant."""
    p = decode_parameters(vector["octets"])
    assert [
        p.max_info_transmit,
        p.max_info_receive,
        p.window_transmit,
        p.window_receive,
    ] == vector["values"]


@pytest.mark.parametrize("vector", named("hdlc"))
def test_frame_of_others_is_described_in_one_line(vector: dict[str, Any]) -> None:
    """Every frame gets one line that begins with its kind."""
    line = describe(vector["octets"])
    assert line.startswith(f"HDLC {vector['kind']} ")
    assert "\n" not in line


def test_describe_knows_the_contents_of_each_kind() -> None:
    """Numbers, direction, parameters and the reason of a reject are in the line."""
    by_name = {v["name"]: describe(v["octets"]) for v in golden()["hdlc"]}
    assert (
        by_name["i-with-aare-two-octet-server"]
        == "HDLC I s=0x01/0x11->c=0x10 ns=0 nr=1 final, 46 octets info"
    )
    assert by_name["i-segmented"] == ("HDLC I s=0x01->c=0x10 ns=3 nr=4 final, more follows, 117 octets info")
    assert by_name["ua-two-octet-server-154-octets"].endswith("info tx 154 rx 154, window tx 1 rx 1")
    assert by_name["frmr"].endswith("final: of control 0x12: N(R) acknowledges what was not sent")


def test_describe_of_anything_is_a_line() -> None:
    """Damaged, unknown and empty octets get a line too."""
    assert describe(b"") == "0 octets, no frame"
    assert describe(b"hello") == "5 octets, no frame"
    assert describe(bytes.fromhex("7EA0070321930F007E")) == "HDLC damaged: checksum (FCS) does not match"
    assert describe(bytes.fromhex("0001001000010002C0")).startswith("wrapper: the header says 2 octets")
    assert describe(b"/wh\r\n") == "5 octets, no frame"


def test_split_for_log_loses_nothing_and_finds_shared_flags() -> None:
    """Frames, messages and what lies between them are cut apart; the unfinished rest stays."""
    snrm = bytes.fromhex("7EA0070321930F017E")
    disc = bytes.fromhex("7EA00703215303C77E")
    wrapped = golden()["wrapper"][0]["octets"]
    buffer = b"/?!\r\n" + b"\xff\xff" + snrm + disc[1:] + wrapped + disc + b"\x7e\xa0"
    pieces, rest = split_for_log(buffer)
    assert b"".join(pieces) + rest == buffer
    assert pieces == [b"/?!\r\n", b"\xff\xff", snrm, disc[1:], wrapped, disc]
    assert rest == b"\x7e\xa0"
    assert describe(pieces[3]) == "HDLC DISC c=0x10->s=0x01 poll"
