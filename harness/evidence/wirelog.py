"""The transcript of one link: time, direction, octets, and what they mean, one line for each run of bytes.

    2026-01-05T00:00:01.234567Z  ->  12 octets  7e a0 0a 00 02 04 01 61 93 e7 b0 7e  | SNRM 1 -> 1
    2026-01-05T00:00:01.250000Z  --  closed

``->`` is harness to device. Contiguous octets of one direction share a line, however the operating system
had cut them. The file is complete at every moment: a line that still grows is rewritten in place with one
call, so a killed run keeps every octet it had seen. Secrets are blanked, length kept, before anything is
written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.base import Clock
from harness.evidence.pcap import TcpCapture

Decode = Callable[[str, bytes], Sequence[str]]

GAP_S = 0.1  # octets further apart than this get a line of their own
MAX_OCTETS = 4096  # of one line
SENT, RECEIVED, EVENT = "->", "<-", "--"


class WireLog:
    """A ``Tap`` that writes ``path`` and, where ``pcap`` is given (TCP links), a capture beside it.

    ``decode(direction, octets)`` is called once for each finished line, in order, with ``->`` or ``<-``; it
    may keep state. ``scrub`` returns octets of the same length with secrets blanked, ``scrub_text`` the same
    for decoded text. ``tcp_port`` is the device's port as the capture shows it; dissectors go by it.
    ``text`` leaves the octets out where all of them are text, which the decoded lines show.
    An existing file is continued, which is what a resumed run needs.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        decode: Decode | None = None,
        scrub: Callable[[bytes], bytes] | None = None,
        scrub_text: Callable[[str], str] | None = None,
        pcap: Path | None = None,
        tcp_port: int = 4059,
        text: bool = False,
    ) -> None:
        self.path = path
        self.pcap = pcap
        self._clock = clock
        self._decode = decode
        self._scrub = scrub
        self._scrub_text = scrub_text
        self._text = text
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._end = os.lseek(self._fd, 0, os.SEEK_END)  # where the line that still grows begins
        self._direction = ""
        self._head = ""  # of the line: time and direction
        self._octets = bytearray()
        self._began = datetime(1970, 1, 1, tzinfo=UTC)
        self._stamped = _stamp(self._began)
        self._last_s = 0.0
        self._capture = TcpCapture(pcap, device_port=tcp_port) if pcap is not None else None

    # -- Tap

    def sent(self, data: bytes) -> None:
        """Record octets from the harness to the device."""
        self._add(SENT, data)

    def received(self, data: bytes) -> None:
        """Record octets from the device to the harness."""
        self._add(RECEIVED, data)

    def note(self, text: str) -> None:
        """Record an event of the link."""
        self.flush()
        now = self._clock.utc_now()
        self._append(f"{_stamp(now)}  {EVENT}  {self._clean(text)}\n")
        if self._capture is not None:
            if text.startswith("opened"):
                self._capture.opened(now)
            elif text == "closed":
                self._capture.closed(now)

    # -- reading back

    def flush(self) -> None:
        """Finish the line that still grows: decode it; what comes next begins a new one."""
        if self._octets:
            self._append(self._finished())

    def _finished(self) -> str:
        """Return the line that grew until now as it stays, and take leave of it."""
        raw = bytes(self._octets)
        self._octets.clear()
        octets = self._scrub(raw) if self._scrub is not None else raw
        said = [self._clean(line) for line in self._decoded(raw)]
        text = self._line(octets) + (f"  | {said[0]}" if said else "") + "\n"
        text += "".join(f"{'':29}|  {line}\n" for line in said[1:])
        if self._capture is not None:
            self._capture.data(self._began, self._direction == SENT, octets)
        return text

    def marker(self) -> int:
        """Return a place in the transcript, for ``since``."""
        self.flush()
        return self._end

    def since(self, marker: int) -> str:
        """Return what was recorded since ``marker``."""
        self.flush()
        with self.path.open("rb") as file:
            file.seek(marker)
            return file.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Finish and close the files; closing twice is harmless."""
        if self._fd >= 0:
            self.flush()
            os.close(self._fd)
            self._fd = -1
            if self._capture is not None:
                self._capture.close()

    # -- inside

    def _add(self, direction: str, data: bytes) -> None:
        if not data or self._fd < 0:
            return
        now_s = self._clock.monotonic_s()
        before = ""
        if self._octets and (
            direction != self._direction
            or now_s - self._last_s > GAP_S
            or len(self._octets) + len(data) > MAX_OCTETS
        ):
            before = self._finished()
        if not self._octets:
            now = self._clock.utc_now()
            if now != self._began:
                self._began, self._stamped = now, _stamp(now)
            self._direction = direction
            self._head = f"{self._stamped}  {direction}  "
        self._octets += data
        self._last_s = now_s
        shown = bytes(self._octets)
        if self._scrub is not None:
            shown = self._scrub(shown)
        # Never shorter than the line it takes the place of: octets only come in addition.
        self._append(before, self._line(shown) + "\n")

    def _line(self, octets: bytes) -> str:
        count = f"{len(octets)} octet{'s' if len(octets) != 1 else ''}"
        return self._head + count + ("" if self._text else f"  {octets.hex(' ')}")

    def _append(self, text: str, growing: str = "") -> None:
        """Write ``text``, which begins like the line that grew until now, in its place, and what grows next.

        One call for both: there are as many lines as there are messages.
        """
        if self._fd < 0:
            return
        encoded = text.encode("utf-8", "backslashreplace")
        _write_at(self._fd, encoded + growing.encode(), self._end)
        self._end += len(encoded)

    def _decoded(self, octets: bytes) -> list[str]:
        if self._decode is None:
            return []
        try:
            return [line for text in self._decode(self._direction, octets) for line in text.splitlines()]
        except Exception as error:  # noqa: BLE001 - the transcript must not take the link down with it
            return [f"(not decoded: {type(error).__name__}: {error})"]

    def _clean(self, text: str) -> str:
        line = " ".join(text.splitlines())
        return self._scrub_text(line) if self._scrub_text is not None else line


def _stamp(moment: datetime) -> str:
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def _write_at(fd: int, data: bytes, offset: int) -> None:
    while data:
        count = os.pwrite(fd, data, offset)
        data, offset = data[count:], offset + count
