"""Attaches to each case what crossed the links of its bench while it ran."""

from __future__ import annotations

from pathlib import Path

from harness.bench_port import Bench
from harness.steps import Steps

_PCAP_HEADER = 24  # octets of a pcap file before its first packet


class Transcripts:
    """Cuts the bench's wire logs where each case ends. The whole logs stay in the run's folder."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._read: dict[Path, int] = {}

    def __call__(self, steps: Steps) -> None:
        """Attach what is new in every log since the last case."""
        for name, log in self._bench.wire_logs.items():
            flush = getattr(log, "flush", None)
            if flush is not None:
                flush()
            text: Path | None = getattr(log, "path", None)
            if text is not None and (body := self._news(text)):
                steps.attach(f"wire {name}", "text/plain", data=body)
            pcap: Path | None = getattr(log, "pcap", None)
            if pcap is not None and (packets := self._news(pcap)):
                whole = packets if self._header_read(pcap, packets) else self._header(pcap) + packets
                steps.attach(f"wire {name}.pcap", "application/vnd.tcpdump.pcap", data=whole)

    def _news(self, path: Path) -> bytes:
        if not path.is_file():
            return b""
        start = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            body = file.read()
        self._read[path] = start + len(body)
        return b"" if path.suffix == ".pcap" and start == 0 and len(body) <= _PCAP_HEADER else body

    def _header_read(self, path: Path, packets: bytes) -> bool:
        return self._read[path] == len(packets)

    def _header(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(_PCAP_HEADER)
