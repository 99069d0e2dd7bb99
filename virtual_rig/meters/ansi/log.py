"""The event log of an ANSI meter: one list of entries, shown as history log (ST74) and event log (ST76).

The list is circular: an entry stands at its sequence number modulo the size of the log, and the oldest gives
way to the newest. Procedure "reset list pointers" only forgets what was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from adapters.protocols.c1219 import MANUFACTURER, MeterTime

_CIRCULAR = 1


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """One entry: when, by the meter's own clock, what (2048 + n for a manufacturer's code) and by whom."""

    time: MeterTime
    code: int
    sequence: int
    user: int = 0
    argument: bytes = b""


class AnsiEventLog:
    """A log of ``capacity`` entries that takes its time from ``now``."""

    def __init__(self, now: Callable[[], MeterTime], *, capacity: int, argument_octets: int) -> None:
        self._now, self.capacity, self.argument_octets = now, capacity, argument_octets
        self.entries: deque[LogEntry] = deque(maxlen=capacity)
        self._count = self._read_up_to = 0

    def record(self, code: int, *, user: int = 0, argument: bytes = b"") -> None:
        """Write an entry of now."""
        entry = LogEntry(
            time=self._now(),
            code=code,
            sequence=self._count,
            user=user,
            argument=argument[: self.argument_octets],
        )
        self._count += 1
        self.entries.append(entry)

    def reset_pointers(self) -> None:
        """Take everything as read."""
        self._read_up_to = self._count

    def fields(self, *, history: bool) -> dict[str, object]:
        """Return the fields of ST74 (``history``) or ST76."""
        kind = "HISTORY" if history else "EVENT"
        unread = self._count - self._read_up_to
        rows: list[dict[str, object]] = [{} for _ in range(self.capacity)]
        for entry in self.entries:
            rows[entry.sequence % self.capacity] = {
                f"{kind}_TIME": entry.time,
                f"{kind}_SEQ_NBR": entry.sequence % 0x10000,
                "USER_ID": entry.user,
                f"{kind}_CODE": {
                    "TBL_PROC_NBR": entry.code % MANUFACTURER,
                    "STD_VS_MFG_FLAG": entry.code // MANUFACTURER,
                },
                f"{kind}_ARGUMENT": entry.argument,
            }
        last = max(self._count - 1, 0)
        return {
            "HIST_FLAGS" if history else "EVENT_FLAGS": {
                "OVERFLOW_FLAG": int(unread > self.capacity),
                "LIST_TYPE_FLAG": _CIRCULAR,
            },
            "NBR_VALID_ENTRIES": len(self.entries),
            "LAST_ENTRY_ELEMENT": last % self.capacity,
            "LAST_ENTRY_SEQ_NBR": last % 0x1_0000_0000,
            "NBR_UNREAD_ENTRIES": min(unread, 0xFFFF),
            "ENTRIES": tuple(rows),
        }
