"""A stream that plays a script: for tests of adapters and protocols, ours and other people's."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.base import LineSettings, Tap
from adapters.errors import LinkLost, TransportError, WriteError
from adapters.transports.stream import NoTap


class ScriptedStream:
    """``adapters.base.SerialStream`` that reads what it was told to and records what was sent.

    ``reads`` holds pieces of bytes and transport errors, consumed in order: a piece longer than ``max_bytes``
    is handed out in parts, an error is raised when its turn comes. After the last one the far end has
    closed the link (LinkLost).
    """

    def __init__(self, reads: Iterable[bytes | TransportError] = (), *, tap: Tap | None = None) -> None:
        self.sent: list[bytes] = []
        self.settings: list[LineSettings] = []
        self.breaks_s: list[float] = []
        self.closed = False
        self._reads = list(reads)
        self._tap: Tap = tap if tap is not None else NoTap()

    def then(self, *reads: bytes | TransportError) -> ScriptedStream:
        """Append to the script."""
        self._reads.extend(reads)
        return self

    @property
    def unread(self) -> int:
        """Return how many entries of the script are left."""
        return len(self._reads)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See ``ByteStream.read``."""
        if self.closed or not self._reads:
            raise LinkLost("scripted: the far end closed the link")
        entry = self._reads.pop(0)
        if isinstance(entry, TransportError):
            raise entry
        data, rest = entry[:max_bytes], entry[max_bytes:]
        if rest:
            self._reads.insert(0, rest)
        self._tap.received(data)
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """See ``ByteStream.write``."""
        if self.closed:
            raise WriteError("scripted: the link is closed")
        self.sent.append(bytes(data))
        self._tap.sent(data)

    def configure(self, settings: LineSettings) -> None:
        """Record the settings."""
        self.settings.append(settings)

    def send_break(self, duration_s: float) -> None:
        """Record the break."""
        self.breaks_s.append(duration_s)

    def discard_input(self) -> bytes:
        """Throw away the pieces up to the next error or the end of the script, and return them."""
        thrown = bytearray()
        while self._reads and isinstance(self._reads[0], bytes):
            thrown += self.read(len(self._reads[0]), 0.0)
        return bytes(thrown)

    def close(self) -> None:
        """Close the stream."""
        self.closed = True
