"""Bytes under way in the kernel: taking exactly what the counters of a line say is there.

The kernel may bring bytes over late (a pseudo-terminal moves them in the background), so "nothing there" is
not believed where the counter says otherwise: the wall time waited here is the kernel's, never the world's.
"""

from __future__ import annotations

import os
import select

from adapters.errors import BenchError
from virtual_rig.servers.line import Line

KERNEL_PATIENCE_MS = 5000  # only a kernel that lost bytes ever uses it up
SETTLING_MS = 50  # only after an interrupt


def kernel_ready(fd: int, events: int, patience_ms: int = KERNEL_PATIENCE_MS) -> bool:
    """Wait for the kernel to bring over what is known to be under way."""
    poller = select.poll()
    poller.register(fd, events)
    return bool(poller.poll(patience_ms))


def pull(line: Line) -> None:
    """Take what the host has written to ``line`` and file it for the model.

    Raises BenchError when the kernel lost bytes that were counted.
    """
    while line.in_flight:
        try:
            taken = line.take()
        except BlockingIOError:
            if not kernel_ready(line.fd, select.POLLIN):
                lost, line.in_flight = line.in_flight, 0
                raise BenchError(f"{lost} octets to {line.name} got lost in the kernel") from None
            continue
        except OSError:
            taken = b""
        if not taken and line.ends_with_empty:  # the host's end is gone, and what it had not handed over
            line.in_flight = 0
            return
        line.was_taken(taken)
    if line.doubtful:  # take whatever else there is; the kernel gets a moment to bring it over
        line.doubtful = False
        while kernel_ready(line.fd, select.POLLIN, SETTLING_MS) and (taken := _taken(line)):
            line.was_taken(taken)


def forget_unread(line: Line) -> None:
    """Throw away what the host left unread in a serial port, in the outbox and in the kernel."""
    line.unread = 0
    line.outbox.clear()
    while line.in_kernel and line.keeper_fd >= 0 and kernel_ready(line.keeper_fd, select.POLLIN):
        line.in_kernel = max(0, line.in_kernel - len(os.read(line.keeper_fd, line.in_kernel)))


def _taken(line: Line) -> bytes:
    try:
        return line.take()
    except OSError:
        return b""
