"""A capture file made from what a TCP link sent and received, for people who think in Wireshark.

No privileges, no interface: the octets are those of the transcript, wrapped into IPv4 and TCP with right
lengths, checksums, sequence and acknowledgement numbers, and the times of the clock in use (virtual on a
virtual bench). The addresses are from the range for documentation and the segments are ours, so this is
evidence of what was said on the connection, not of how the network carried it. Format: libpcap 2.4 with
microseconds, LINKTYPE_RAW (101); RFC 791, RFC 9293, RFC 1071.
"""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime
from pathlib import Path

HARNESS_ADDRESS = bytes((192, 0, 2, 1))  # TEST-NET-1, RFC 5737
DEVICE_ADDRESS = bytes((192, 0, 2, 2))
MAX_SEGMENT = 1460
_FIRST_PORT = 49152
_LINKTYPE_RAW = 101
_GLOBAL_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _LINKTYPE_RAW)
_FIN, _SYN, _PSH, _ACK = 0x01, 0x02, 0x08, 0x10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TcpCapture:
    """Writes one link's connections, one after the other, to ``path``; an existing capture is continued."""

    def __init__(self, path: Path, *, device_port: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if not os.fstat(self._fd).st_size:
            os.write(self._fd, _GLOBAL_HEADER)
        self._device_port = device_port
        self._port = _FIRST_PORT - 1
        self._packet = 0
        self._next = {True: 0, False: 0}  # sequence number to come, by "from the harness"
        self._up = False

    def opened(self, at: datetime) -> None:
        """Record the three-way handshake of a new connection."""
        self.closed(at)
        self._port = self._port + 1 if self._port < 0xFFFF else _FIRST_PORT
        self._next = {True: 1000, False: 5000}
        self._up = True
        self._segment(at, True, _SYN)
        self._segment(at, False, _SYN | _ACK)
        self._segment(at, True, _ACK)

    def data(self, at: datetime, from_harness: bool, octets: bytes) -> None:
        """Record octets of one direction."""
        if not self._up:
            self.opened(at)
        for start in range(0, len(octets), MAX_SEGMENT):
            self._segment(at, from_harness, _PSH | _ACK, octets[start : start + MAX_SEGMENT])

    def closed(self, at: datetime) -> None:
        """Record the end of the connection, the harness closing first."""
        if self._up:
            self._up = False
            self._segment(at, True, _FIN | _ACK)
            self._segment(at, False, _FIN | _ACK)
            self._segment(at, True, _ACK)

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _segment(self, at: datetime, from_harness: bool, flags: int, octets: bytes = b"") -> None:
        source, target = HARNESS_ADDRESS, DEVICE_ADDRESS
        ports = self._port, self._device_port
        if not from_harness:
            source, target, ports = target, source, (ports[1], ports[0])
        acknowledged = self._next[not from_harness] if flags & _ACK else 0
        header = struct.pack(
            ">HHIIBBHHH", *ports, self._next[from_harness], acknowledged, 5 << 4, flags, 65535, 0, 0
        )
        pseudo = source + target + struct.pack(">BBH", 0, 6, len(header) + len(octets))
        check = checksum(pseudo + header + octets)
        tcp = header[:16] + struct.pack(">H", check) + header[18:] + octets
        self._packet = (self._packet + 1) & 0xFFFF
        ip = (
            struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), self._packet, 0x4000, 64, 6, 0) + source + target
        )
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        since = at - _EPOCH
        record = struct.pack(
            "<IIII",
            since.days * 86400 + since.seconds,
            since.microseconds,
            len(ip) + len(tcp),
            len(ip) + len(tcp),
        )
        os.write(self._fd, record + ip + tcp)
        self._next[from_harness] += len(octets) + bool(flags & (_SYN | _FIN))


def checksum(data: bytes) -> int:
    """Return the Internet checksum of ``data`` (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    # 2**16 is 1 modulo 65,535, so the whole read as one number is congruent to the sum of its words.
    number = int.from_bytes(data, "big")
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return ~total & 0xFFFF
