"""Datagrams where a byte stream is expected: one read is one datagram, one write sends one."""

from __future__ import annotations

from adapters.base import Datagrams


class DatagramStream:
    """A ``ByteStream`` over ``Datagrams``, for a framing that keeps the borders of messages.

    A read returns a whole datagram, however few octets were asked for: there is nowhere to keep the rest
    without losing where it ended. An empty datagram is skipped, since no octets mean the end of a stream.
    """

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return the next datagram that is not empty. Raises ReadTimeout or LinkLost."""
        while not (data := self._datagrams.receive(timeout_s)):
            pass
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send one datagram. Raises WriteTimeout or WriteError."""
        self._datagrams.send(data, timeout_s)

    def close(self) -> None:
        """Close the socket; closing twice is harmless."""
        self._datagrams.close()
