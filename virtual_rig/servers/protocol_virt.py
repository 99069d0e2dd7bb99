"""pyserial URL handler for ``virt://name``; pyserial finds this module by its name. See ``virt``."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Any

from serial.serialutil import PortNotOpenError, SerialBase, SerialException, SerialTimeoutException

from adapters.base import LineSettings
from virtual_rig.servers.virt import VirtServer, virt_port


class Serial(SerialBase):
    """The host's end of a virtual UART, as pyserial knows ports."""

    _server: VirtServer | None = None
    _fd = -1
    # pyserial keeps these; its type stubs do not tell.
    _baudrate: int
    _bytesize: int
    _parity: Any
    _stopbits: float
    _timeout: float | None
    _write_timeout: float | None
    _break_state: bool
    _dtr_state: bool
    _rts_state: bool

    def open(self) -> None:
        """Open the port. Raises SerialException: unknown, in use, unplugged."""
        name = (self.portstr or "").partition("://")[2].rstrip("/")
        server = virt_port(name)
        if server is None:
            raise SerialException(2, f"no virtual port {name!r} in this process")
        try:
            self._fd = server.take_port(self._line_settings())
        except OSError as error:
            raise SerialException(error.errno, error.strerror) from error
        self._server = server
        self.is_open = True
        self._update_dtr_state()

    def close(self) -> None:
        """Close the port."""
        if self.is_open and self._server is not None:
            self.is_open = False
            os.close(self._fd)
            self._fd = -1
            self._server.give_back_port()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        if not self.is_open:
            raise PortNotOpenError
        return self._fd

    @property
    def in_waiting(self) -> int:
        """Return 1 when there is something to read (not how much)."""
        return int(bool(select.select([self.fileno()], [], [], 0)[0]))

    def read(self, size: int = 1, /) -> bytes:
        """Read up to ``size`` bytes, for programs that use pyserial directly; waits in real time."""
        data = bytearray()
        while len(data) < size and select.select([self.fileno()], [], [], self._timeout)[0]:
            piece = os.read(self._fd, size - len(data))
            if not piece:
                raise SerialException("the port is unplugged")
            data += piece
        return bytes(data)

    def write(self, data: Any, /) -> int:
        """Write ``data``, for programs that use pyserial directly; waits in real time."""
        rest = memoryview(bytes(data))
        while rest:
            if not select.select([], [self.fileno()], [], self._write_timeout)[1]:
                raise SerialTimeoutException("Write timeout")
            rest = rest[os.write(self._fd, rest) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: bytes written are on the wire."""

    def reset_input_buffer(self) -> None:
        """Throw away what has arrived."""
        with contextlib.suppress(BlockingIOError):
            while self.in_waiting and os.read(self._fd, 65536):
                pass

    def reset_output_buffer(self) -> None:
        """Do nothing: bytes written are on the wire."""

    def _reconfigure_port(self) -> None:
        if self._server is not None:
            self._server.configure(self._line_settings())

    def _line_settings(self) -> LineSettings:
        return LineSettings(
            baud=self._baudrate, data_bits=self._bytesize, parity=self._parity, stop_bits=int(self._stopbits)
        )

    def _update_break_state(self) -> None:
        if self._server is not None:
            self._server.set_break(self._break_state)

    def _update_dtr_state(self) -> None:
        if self._server is not None:
            self._server.set_modem_lines(dtr=self._dtr_state, rts=self._rts_state)

    def _update_rts_state(self) -> None:
        self._update_dtr_state()

    @property
    def cts(self) -> bool:
        """Return True: the device is always ready."""
        return True

    @property
    def dsr(self) -> bool:
        """Return True: the device is always there."""
        return True

    @property
    def cd(self) -> bool:
        """Return True: there is always a carrier."""
        return True

    @property
    def ri(self) -> bool:
        """Return False: nobody rings."""
        return False
