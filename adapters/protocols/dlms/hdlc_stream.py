"""Finds HDLC frames in a stream of octets, and its way again after octets that are none.

Length-driven: between the flags 0x7E means nothing. A closing flag may open the next frame. When octets
cannot be a frame, everything up to the next 0x7E is skipped and reported once, whatever the chunks it came
in. Exception: a good header checksum, a closing flag in its place and a bad FCS mean that only the body is
damaged; that frame is skipped as a whole, so that a flag octet in its body is not taken for a new start.

At most one frame and a sample of skipped octets are kept, and no octet is checksummed more often than
there are frame headers with a good checksum that claim it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adapters.errors import FrameDamaged, ProtocolError, RemoteProtocolError
from adapters.protocols.dlms.hdlc_frame import MAX_FRAME_OCTETS, HdlcFrame, ShortFrame, parse_frame

SAMPLE_OCTETS: Final = MAX_FRAME_OCTETS + 2
"""How much of a run of skipped octets is kept as evidence: one whole frame with its flags."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """Octets that were no frame. ``damaged`` is False for an intact frame that breaks a rule."""

    data: bytes
    why: str
    damaged: bool = True


class HdlcStream:
    """The receiving half of an HDLC engine: octets in, frames and skipped octets out."""

    __slots__ = ("_buffer", "_needed", "_position", "_skipped", "_skipped_octets", "_skipping")

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._needed = 1  # octets beyond _position before another look is worth while
        self._skipping = ""  # why octets are being skipped up to the next flag
        self._skipped = b""
        self._skipped_octets = 0

    @property
    def incomplete(self) -> bool:
        """True while octets wait for the rest of their frame (a lone flag is idle line, not a frame)."""
        return bool(self._skipping) or len(self._buffer) - self._position > 1

    def receive_data(self, data: bytes) -> None:
        """Take octets from the wire."""
        if self._position >= len(self._buffer):
            self._buffer = bytes(data)
        else:
            self._buffer = self._buffer[self._position :] + data
        self._position = 0

    def next_frame(self) -> HdlcFrame | Skipped | None:
        """Return the next frame, or what had to be skipped, or None until more octets arrive."""
        buffer = self._buffer
        while True:
            start = self._position
            if len(buffer) - start < self._needed:
                return None
            if self._skipping or buffer[start] != 0x7E:
                done = self._skip(self._skipping or "octets outside of a frame")
                if done is not None or self._skipping:
                    return done
                continue
            while buffer[start + 1 : start + 2] == b"\x7e":
                start += 1  # flags between frames, or a shared one
            self._position = start
            try:
                frame, end = parse_frame(buffer, start)
            except ShortFrame as short:
                self._needed = short.needed
                return None
            except ProtocolError as error:
                rejected = self._reject(error, start)
                if rejected is not None:
                    return rejected
                continue
            self._position = end - 1  # the closing flag may open the next frame
            self._needed = 2
            return frame

    def discard_partial(self) -> Skipped | None:
        """Drop what waits for its rest (the line fell silent in mid-frame) and return it, if there is any.

        All of it goes: a frame that hid behind lost octets is late by now, and its sender will repeat it.
        """
        data = self._skipped + self._buffer[self._position :]
        self._buffer, self._position, self._needed = b"", 0, 1
        self._skipping, self._skipped, self._skipped_octets = "", b"", 0
        if len(data) <= 1:
            return None
        return Skipped(
            data=data[:SAMPLE_OCTETS], why=f"a frame was begun and not finished: {len(data)} octets"
        )

    def _reject(self, error: ProtocolError, start: int) -> Skipped | None:
        """Step over octets that are no frame: a whole frame where its end is certain, else begin to skip."""
        if error.data:
            self._position, self._needed = start + len(error.data) - 1, 2
            return Skipped(
                data=error.data, why=str(error), damaged=not isinstance(error, RemoteProtocolError)
            )
        self._skipping = str(error) if isinstance(error, FrameDamaged) else "octets outside of a frame"
        self._skipped, self._skipped_octets = b"\x7e", 1
        self._position, self._needed = start + 1, 1
        return None

    def _skip(self, why: str) -> Skipped | None:
        """Skip to the next flag. Returns the run once it is complete, None while it goes on."""
        self._skipping = why
        flag = self._buffer.find(0x7E, self._position)
        end = len(self._buffer) if flag < 0 else flag
        room = SAMPLE_OCTETS - len(self._skipped)
        self._skipped += self._buffer[self._position : min(end, self._position + room)]
        self._skipped_octets += end - self._position
        self._position, self._needed = end, 1
        if flag < 0:
            return None
        data, octets = self._skipped, self._skipped_octets
        self._skipping, self._skipped, self._skipped_octets = "", b"", 0
        return Skipped(data=data, why=f"{why}; {octets} octets skipped")
