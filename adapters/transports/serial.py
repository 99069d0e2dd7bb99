"""Serial ports: a tty, a Windows COM port, or any pyserial URL (``virt://name``, ``rfc2217://host:port``).

pyserial opens and configures; its own reads and writes are not used where the port has a file descriptor,
because they lose bytes when the far end goes away and block without limit when it does not read.
pyserial raises three families of errors (SerialException, OSError, termios.error): all become ours here.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from dataclasses import replace
from typing import Any

import serial

from adapters.base import Clock, LineSettings, Tap, Wire
from adapters.errors import BenchError, ConnectError, LinkLost, ReadTimeout, WriteError, WriteTimeout
from adapters.transports.stream import CHUNK_BYTES, FdStream

if sys.platform == "win32":
    _PORT_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError)
else:
    import termios

    _PORT_ERRORS = (OSError, ValueError, termios.error)

_POLL_S = 0.002  # for ports without a file descriptor, which can only be asked
_HIDDEN_FIFO_BYTES = 512  # the largest transmit buffer of the common USB converters
_IN_USE = {errno.EAGAIN, errno.EACCES, errno.EBUSY}


class SerialTransport(FdStream):
    """A serial port that is ours alone (advisory lock) until it is closed."""

    def __init__(
        self, *, port: Any, settings: LineSettings, fd: int, wire: Wire, clock: Clock, tap: Tap | None
    ) -> None:
        super().__init__(
            fd=fd, wire=wire, clock=clock, tap=tap, name=f"serial {wire.near}", close_fd=self._close_port
        )
        self._port = port
        self._settings = settings
        self._idle_at_s = clock.monotonic_s()  # when even a converter's FIFO must be empty

    @classmethod
    def open(
        cls, *, port: str, settings: LineSettings | None = None, clock: Clock, tap: Tap | None = None
    ) -> SerialTransport:
        """Open ``port``. Raises ConnectError: no such port, in use, or it does not take the settings."""
        settings = settings or LineSettings()
        opened = _open_port(port, _as_port_takes(port, settings))
        try:
            fd = opened.fileno()
            os.set_blocking(fd, False)
        except (AttributeError, io.UnsupportedOperation):
            fd = -1
        wire = Wire(kind="serial", near=port, far="", fileno=lambda: fd)
        made = cls if fd >= 0 else PolledSerialTransport
        try:
            clock.wire_opened(wire)
            stream = made(port=opened, settings=settings, fd=fd, wire=wire, clock=clock, tap=tap)
        except BaseException:
            opened.close()
            raise
        stream._tap.note(f"opened {port} {settings}{_limits(port, settings)}")
        return stream

    @property
    def settings(self) -> LineSettings:
        """Return the line settings in force."""
        return self._settings

    def write(self, data: bytes, timeout_s: float) -> None:
        """See ``ByteStream.write``."""
        super().write(data, timeout_s)
        now_s, octet_s = self._clock.monotonic_s(), _bits(self._settings) / self._settings.baud
        busy_s = max(self._idle_at_s - now_s, 0.0) + len(data) * octet_s
        self._idle_at_s = now_s + min(busy_s, _HIDDEN_FIFO_BYTES * octet_s)

    def configure(self, settings: LineSettings) -> None:
        """Change the line settings once everything written has left the UART.

        USB converters report an empty buffer while their own FIFO still sends, so the time it may need
        at the old rate is waited for as well. Raises BenchError when the port does not take the settings.
        """
        if not self._open:
            raise BenchError(f"{self.name}: a closed port cannot be configured")
        self._drain()
        taken = _as_port_takes(self.wire.near, settings)
        try:
            self._port.apply_settings(
                {
                    "baudrate": taken.baud,
                    "bytesize": taken.data_bits,
                    "parity": taken.parity,
                    "stopbits": taken.stop_bits,
                }
            )
        except _PORT_ERRORS as error:
            raise BenchError(f"{self.name}: the port does not take {settings}: {error}") from error
        self._settings = settings
        self._tap.note(f"line settings {settings}{_limits(self.wire.near, settings)}")

    def send_break(self, duration_s: float) -> None:
        """Hold the line in the break condition for ``duration_s``. Raises WriteError."""
        self._drain()
        try:
            self._port.break_condition = True
            try:
                self._clock.sleep_s(duration_s)
            finally:
                self._port.break_condition = False
        except _PORT_ERRORS as error:
            raise WriteError(f"{self.name}: the port sends no break: {error}") from error
        self._tap.note(f"break {duration_s:g} s")

    def _drain(self) -> None:
        self._clock.sleep_s(max(0.0, self._idle_at_s - self._clock.monotonic_s()))
        deadline_s = self._clock.monotonic_s() + 5.0
        while self._waiting_to_leave():
            if self._clock.monotonic_s() >= deadline_s:
                raise WriteTimeout(f"{self.name}: bytes written are held back (flow control?)")
            self._clock.sleep_s(_POLL_S)

    def _waiting_to_leave(self) -> int:
        try:
            return int(getattr(self._port, "out_waiting", 0) or 0)
        except (*_PORT_ERRORS, NotImplementedError):
            return 0  # this port cannot tell

    def _close_port(self) -> None:
        try:
            self._port.close()
        except _PORT_ERRORS as error:
            self._tap.note(f"closing the port failed: {error}")


class PolledSerialTransport(SerialTransport):
    """A port pyserial serves from a thread or a foreign API, without a descriptor to wait on (RFC 2217, COM).

    It is asked every 2 ms, and so only exists on the wall clock.
    """

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See ``ByteStream.read``."""
        if not self._open or self._lost:
            raise LinkLost(f"{self.name}: {self._lost or 'the link is closed'}")
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            try:
                waiting = self._port.in_waiting
                data = bytes(self._port.read(min(waiting, max_bytes))) if waiting else b""
            except _PORT_ERRORS as error:
                raise self._gone(f"the port is gone ({error})") from error
            if data:
                self._tap.received(data)
                return data
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                raise ReadTimeout(f"{self.name}: nothing received within {timeout_s:g} s")
            self._clock.sleep_s(min(_POLL_S, left_s))

    def write(self, data: bytes, timeout_s: float) -> None:
        """See ``ByteStream.write``."""
        if not self._open:
            raise WriteError(f"{self.name}: the link is closed")
        try:
            if "://" not in self.wire.near:  # RFC 2217 has a fixed limit of its own (5 s) and takes no other
                self._port.write_timeout = timeout_s
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise WriteTimeout(f"{self.name}: not taken within {timeout_s:g} s") from error
        except _PORT_ERRORS as error:
            if "timed out" in str(error):
                raise WriteTimeout(f"{self.name}: not taken in time") from error
            raise WriteError(f"{self.name}: the link broke ({error})") from error
        self._tap.sent(data)

    def discard_input(self) -> bytes:
        """See ``SerialStream.discard_input``."""
        thrown = bytearray()
        while True:
            try:
                thrown += self.read(CHUNK_BYTES, 0.0)
            except (ReadTimeout, LinkLost):
                return bytes(thrown)

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        if self._open:
            self._open = False
            self._clock.wire_closed(self.wire)
            self._close_port()
            self._tap.note("closed")


def _open_port(port: str, settings: LineSettings) -> Any:
    """Return the opened pyserial port. Raises ConnectError in words a person at a bench can act on."""
    options: dict[str, Any] = {
        "baudrate": settings.baud,
        "bytesize": settings.data_bits,
        "parity": settings.parity,
        "stopbits": settings.stop_bits,
        "timeout": 0,
    }
    if "://" not in port and sys.platform != "win32":
        options["exclusive"] = True
        # VMIN=1: an idle tty then says "try again" where it would say "end of file" with VMIN=0.
        options["inter_byte_timeout"] = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pyserial 3.5 calls Thread.setDaemon
            return serial.serial_for_url(port, **options)
    except _PORT_ERRORS as error:
        number = getattr(error, "errno", None)
        if number == errno.ENOENT:
            why = "there is no such port"
        elif number in _IN_USE and "lock" in str(error):
            why = "the port is in use by another program"
        elif number == errno.EBUSY:
            why = "the port is in use"
        elif number == errno.EACCES:
            why = "no permission to open it (is the user in the group that owns it?)"
        else:
            why = str(error)
        raise ConnectError(f"serial {port}: {why}") from error


def _as_port_takes(port: str, settings: LineSettings) -> LineSettings:
    """Return what ``port`` can be asked for.

    A pseudo-terminal has a speed and octets, but no data bits and no parity; Linux ignores them there, and
    glibc turns that into EINVAL. Whoever is at its other end gets the octets whole.
    """
    if os.path.realpath(port).startswith("/dev/pts/"):
        return replace(settings, data_bits=8, parity="N", stop_bits=1)
    return settings


def _limits(port: str, settings: LineSettings) -> str:
    return (
        "" if _as_port_takes(port, settings) == settings else " (a pseudo-terminal: the speed alone counts)"
    )


def _bits(settings: LineSettings) -> int:
    return 1 + settings.data_bits + (settings.parity != "N") + settings.stop_bits
