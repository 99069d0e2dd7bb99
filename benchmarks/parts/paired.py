"""A client of ours and a peer, timed in the same rounds; the benchmarks make their ratios of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Seconds a read of each round, and seconds of client CPU a read."""

    client: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    client_cpu: list[float] = field(default_factory=list)
    peer_cpu: list[float] = field(default_factory=list)

    def ratios(self, ours: list[float]) -> list[float]:
        """Return how many times as fast as the peer ``ours`` was, round by round."""
        return [theirs / us for us, theirs in zip(ours, self.peer, strict=True)]


def timed(read: Callable[[], object], count: int, warm_up: int) -> tuple[float, float]:
    """Return seconds and CPU seconds of one of ``count`` reads."""
    for _ in range(min(warm_up, count)):
        read()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(count):
        read()
    return (time.perf_counter() - began_s) / count, (time.process_time() - cpu_s) / count
