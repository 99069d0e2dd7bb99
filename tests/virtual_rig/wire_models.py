"""Small device models that put every property of a wire to use; plain state machines, like the real ones."""

from __future__ import annotations

from virtual_rig.wire import HostLine, Scheduler

REPORT = b"<InstantaneousDemand><Demand>0x0004D2</Demand></InstantaneousDemand>\r\n"


class Recorder:
    """Keeps what it hears: ``(time, event, data)``."""

    def __init__(self, rig: Scheduler) -> None:
        self.rig = rig
        self.heard: list[tuple[float, str, bytes]] = []
        self.lines: list[HostLine] = []

    def note(self, event: str, data: bytes = b"") -> None:
        """Keep one entry."""
        self.heard.append((self.rig.now_s(), event, data))

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self.lines.append(line)
        self.note(f"opened {line.name}")

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self.note(line.name, data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""
        self.note(f"break {duration_s:g}")

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self.note(f"closed {line.name}")


class Echo(Recorder):
    """Answers every piece with ``<data>``, after ``delay_s``."""

    def __init__(self, rig: Scheduler, delay_s: float = 0.0) -> None:
        super().__init__(rig)
        self.delay_s = delay_s

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        super().received(line, data)
        line.send(b"<" + data + b">", self.delay_s)


class Reporter(Recorder):
    """Sends a report every ``period_s``, heard or not, and answers ``?`` with how many it has sent."""

    def __init__(self, rig: Scheduler, period_s: float = 60.0) -> None:
        super().__init__(rig)
        self.period_s, self.reports = period_s, 0

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        super().opened(line)
        self.rig.call_later(self.period_s, self._report, line)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        super().received(line, data)
        for _ in range(data.count(b"?")):
            line.send(b"%d reports\r\n" % self.reports, 0.25)

    def _report(self, line: HostLine) -> None:
        self.reports += 1
        line.send(REPORT)
        self.rig.call_later(self.period_s, self._report, line)
