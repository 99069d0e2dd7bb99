"""Wire octets of an ANSI meter's link as lines for a person: packets, services, names of tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.profiles.layout import standard_layouts
from adapters.protocols.c1218.describe import Transcriber as PacketTranscriber

_TABLE = re.compile(r"\bST(\d{1,4})\b")


class Transcriber:
    """Decodes one link; names standard tables by the standard. It never shows a password."""

    def __init__(self) -> None:
        self._packets = PacketTranscriber()
        self._titles = {str(layout.number): layout.title for layout in standard_layouts().values()}

    def __call__(self, direction: str, data: bytes) -> Sequence[str]:
        """Return a line for each thing that ``data`` completes."""
        return [_TABLE.sub(self._named, line) for line in self._packets(direction, data)]

    def _named(self, found: re.Match[str]) -> str:
        title = self._titles.get(found[1], "")
        return f"{found[0]} {title}" if title else found[0]
