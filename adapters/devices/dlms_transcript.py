"""Wire bytes of a DLMS link as lines for a person: the frame, then the APDU inside it.

Segments of a long APDU are joined first; a ciphered APDU is named, not opened, so no key ever comes near a
transcript.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.errors import ProtocolError
from adapters.protocols.dlms import link_text
from adapters.protocols.dlms.describe import describe
from adapters.protocols.dlms.hdlc_frame import FLAG, Control, decode_frame
from adapters.protocols.dlms.wrapper import HEADER_OCTETS

_LLC_OCTETS = 3
_LONGEST_KEPT = 1 << 20


class Transcriber:
    """Decodes one link. Holds the unfinished rest and the segments of each direction."""

    def __init__(self) -> None:
        self._rest: dict[str, bytes] = {}
        self._segments: dict[str, bytes] = {}

    def __call__(self, direction: str, data: bytes) -> Sequence[str]:
        """Return a line for each frame that ``data`` completes, each with its APDU where it holds one."""
        pieces, rest = link_text.split_for_log(self._rest.get(direction, b"") + data)
        self._rest[direction] = rest[-_LONGEST_KEPT:]
        return [self._line(direction, piece) for piece in pieces]

    def _line(self, direction: str, piece: bytes) -> str:
        line = link_text.describe(piece)
        apdu = self._apdu(direction, piece)
        return f"{line}: {describe(apdu)}" if apdu else line

    def _apdu(self, direction: str, piece: bytes) -> bytes:
        if piece[:2] == b"\x00\x01" and len(piece) > HEADER_OCTETS:
            return piece[HEADER_OCTETS:]
        if FLAG not in (piece[0], piece[-1]):
            return b""
        try:
            frame = decode_frame(piece if piece[0] == FLAG else bytes((FLAG,)) + piece)
        except ProtocolError:
            return b""
        if frame.kind not in (Control.I, Control.UI):
            return b""
        joined = self._segments.pop(direction, b"") + frame.information
        if frame.segmented and len(joined) < _LONGEST_KEPT:
            self._segments[direction] = joined
            return b""
        return joined[_LLC_OCTETS:]
