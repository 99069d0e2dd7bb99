"""Transcripts and captures: complete at every moment, decoded, scrubbed, readable by others' tools."""

from __future__ import annotations

import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.evidence.pcap import TcpCapture, checksum
from harness.evidence.wirelog import WireLog
from virtual_rig.clock import VirtualClock

AT = datetime(2026, 1, 5, 12, 0, 0, 250_000, tzinfo=UTC)


def read_capture(path: Path) -> list[tuple[datetime, bytes]]:
    """Return the packets of a pcap file, with a parser that shares nothing with the writer."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link_type = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link_type) == (0xA1B2C3D4, 2, 4, 101)
    packets, offset = [], 24
    while offset < len(data):
        seconds, microseconds, kept, length = struct.unpack_from("<IIII", data, offset)
        assert kept == length
        moment = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
        packets.append((moment, data[offset + 16 : offset + 16 + kept]))
        offset += 16 + kept
    return packets


def ones_complement_sum(data: bytes) -> int:
    """Return the folded sum of 16-bit words; over a header with its right checksum it is 0xFFFF."""
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_wirelog_contiguous_octets_of_one_direction_share_a_line(tmp_path: Path) -> None:
    """One line for a frame that came in three pieces; the other direction and a pause begin new ones."""
    clock = VirtualClock()
    log = WireLog(tmp_path / "wire" / "meter-ip.log", clock=clock)
    log.note("opened 127.0.0.1:4059")
    clock.sleep_s(1.25)
    log.sent(b"\x7e\xa0")
    for piece in (b"\x01", b"\x02\x03", b"\x04"):
        log.received(piece)
    clock.sleep_s(60.0)
    log.received(b"\x05")
    log.close()
    assert log.path.read_text().splitlines() == [
        "2026-01-05T00:00:00.000000Z  --  opened 127.0.0.1:4059",
        "2026-01-05T00:00:01.250000Z  ->  2 octets  7e a0",
        "2026-01-05T00:00:01.250000Z  <-  4 octets  01 02 03 04",
        "2026-01-05T00:01:01.250000Z  <-  1 octet  05",
    ]


def test_wirelog_file_is_complete_after_every_octet(tmp_path: Path) -> None:
    """A killed process flushes nothing: what was seen is in the file already, in whole lines."""
    log = WireLog(tmp_path / "a.log", clock=VirtualClock())
    seen = bytearray()
    for value in range(20):
        log.received(bytes([value]))
        seen.append(value)
        lines = log.path.read_text().splitlines()
        assert len(lines) == 1
        assert lines[0].endswith(f"  {seen.hex(' ')}")
    log.close()


def test_wirelog_decodes_each_finished_line_once_and_in_order(tmp_path: Path) -> None:
    """A decoder with a memory sees every octet once; further lines are indented below the octets."""
    calls: list[tuple[str, bytes]] = []

    def decode(direction: str, octets: bytes) -> list[str]:
        calls.append((direction, octets))
        return ["AARQ", "application context LN"] if direction == "->" else []

    log = WireLog(tmp_path / "a.log", clock=VirtualClock(), decode=decode)
    log.sent(b"ab")
    log.sent(b"c")
    log.received(b"d")
    log.close()
    assert calls == [("->", b"abc"), ("<-", b"d")]
    first, second, third = log.path.read_text().splitlines()
    assert first.endswith("->  3 octets  61 62 63  | AARQ")
    assert second.strip() == "|  application context LN"
    assert third.endswith("<-  1 octet  64")


def test_wirelog_decoder_that_fails_costs_its_text_only(tmp_path: Path) -> None:
    """The octets stay, the failure is named, the link goes on."""

    def decode(direction: str, octets: bytes) -> list[str]:
        raise ValueError("no idea")

    log = WireLog(tmp_path / "a.log", clock=VirtualClock(), decode=decode)
    log.sent(b"x")
    log.close()
    assert log.path.read_text().endswith("1 octet  78  | (not decoded: ValueError: no idea)\n")


def test_wirelog_secrets_are_blanked_everywhere_even_across_pieces(tmp_path: Path) -> None:
    """In the octets, in the decoded text and in the capture, although the secret came in two pieces."""
    log = WireLog(
        tmp_path / "a.log",
        clock=VirtualClock(),
        decode=lambda _, octets: [f"password {octets.decode()}"],
        scrub=lambda octets: octets.replace(b"s3cret!!", b"********"),
        scrub_text=lambda text: text.replace("s3cret!!", "[secret]"),
        pcap=tmp_path / "a.pcap",
    )
    log.note("opened s3cret!!")
    log.sent(b"pw=s3cr")
    log.sent(b"et!!.")
    log.note("closed")
    log.close()
    log.sent(b"after the end")
    log.note("after the end")
    text = log.path.read_text()
    assert b"s3cret!!".hex(" ") not in text
    assert "s3cret" not in text
    assert "12 octets  70 77 3d 2a 2a 2a 2a 2a 2a 2a 2a 2e  | password pw=[secret]." in text
    assert b"s3cret" not in (tmp_path / "a.pcap").read_bytes()
    assert b"pw=********." in (tmp_path / "a.pcap").read_bytes()


def test_wirelog_since_gives_the_part_of_one_case(tmp_path: Path) -> None:
    """A marker cuts a growing line, so that neither case sees the other's octets."""
    log = WireLog(tmp_path / "a.log", clock=VirtualClock())
    log.received(b"\x01")
    mark = log.marker()
    log.received(b"\x02")
    assert log.since(mark) == "2026-01-05T00:00:00.000000Z  <-  1 octet  02\n"
    assert log.since(0).count("\n") == 2
    log.close()
    log.close()


def test_wirelog_reopened_continues_the_file(tmp_path: Path) -> None:
    """A resumed run appends to transcript and capture."""
    for octets in (b"\x01", b"\x02"):
        log = WireLog(tmp_path / "a.log", clock=VirtualClock(), pcap=tmp_path / "a.pcap")
        log.received(octets)
        log.close()
    assert [line[-2:] for line in log.path.read_text().splitlines()] == ["01", "02"]
    assert len(read_capture(tmp_path / "a.pcap")) == 8


def test_pcap_packets_carry_the_stream_with_right_numbers_and_checksums(tmp_path: Path) -> None:
    """Parsed back: handshake, the octets in order in both directions, the end, every checksum right."""
    path = tmp_path / "a.pcap"
    capture = TcpCapture(path, device_port=4059)
    capture.opened(AT)
    capture.data(AT, True, b"request")
    capture.data(AT + timedelta(seconds=1), False, bytes(range(256)) * 8)
    capture.closed(AT + timedelta(seconds=2))
    capture.close()
    streams: dict[bool, bytearray] = {True: bytearray(), False: bytearray()}
    expected: dict[bool, int] = {}
    flags_seen = []
    for moment, packet in read_capture(path):
        assert ones_complement_sum(packet[:20]) == 0xFFFF
        assert (
            ones_complement_sum(packet[12:20] + struct.pack(">BBH", 0, 6, len(packet) - 20) + packet[20:])
            == 0xFFFF
        )
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        source, target, sequence, acknowledged = struct.unpack_from(">HHII", packet, 20)
        ours = target == 4059
        assert (source if not ours else target) == 4059
        assert expected.setdefault(ours, sequence) == sequence
        flags, octets = packet[33], packet[40:]
        if flags & 0x10:
            assert acknowledged == expected[not ours]
        expected[ours] += len(octets) + bool(flags & 0x03)
        streams[ours] += octets
        flags_seen.append(flags)
        assert AT <= moment <= AT + timedelta(seconds=2)
    assert streams == {True: b"request", False: bytes(range(256)) * 8}
    assert flags_seen == [0x02, 0x12, 0x10, 0x18, 0x18, 0x18, 0x11, 0x11, 0x10]


def test_pcap_checksum_of_the_rfc_example() -> None:
    """RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 sum to ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_pcap_tshark_follows_the_stream_and_finds_nothing_wrong(tmp_path: Path) -> None:
    """Wireshark checks the checksums, rebuilds the dialogue and has no expert complaint."""
    path = tmp_path / "a.pcap"
    capture = TcpCapture(path, device_port=5025)
    for turn in range(2):
        capture.data(AT + timedelta(seconds=turn), True, b"*IDN?\n")
        capture.data(AT + timedelta(seconds=turn, milliseconds=3), False, b"MeterBench,AC source\n" * 60)
        capture.closed(AT + timedelta(seconds=turn, milliseconds=5))
    capture.close()
    check = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]

    def tshark(*arguments: str) -> str:
        done = subprocess.run(
            ["tshark", "-r", str(path), *check, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    bad = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.flags || _ws.malformed"
    assert tshark("-Y", bad) == ""
    assert tshark("-q", "-z", "conv,tcp").count("192.0.2.2:5025") == 2
    followed = tshark("-q", "-z", "follow,tcp,ascii,1")
    assert "*IDN?" in followed
    assert followed.count("MeterBench,AC source") == 60
