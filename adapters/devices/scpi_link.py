"""What every SCPI instrument on a bench needs: one link, exchanges on it, the instrument's error queue.

Every change is followed by ``*OPC?`` and ``SYST:ERR?``, so it is known to have arrived, to have been carried
out and to have settled before the plan goes on.
"""

from __future__ import annotations

from adapters.base import ByteStream
from adapters.errors import BenchError, ReadTimeout, Refused, RemoteProtocolError
from adapters.protocols import scpi
from adapters.registry import AdapterContext
from adapters.roles import Identity

DEFAULT_TIMEOUT_S = 10.0


class ScpiLink:
    """The one link of an instrument; it opens when it is first needed. ``what`` names the kind of instrument.

    ``settling_s`` is the longest a change may take until ``*OPC?`` answers.
    """

    def __init__(self, context: AdapterContext, what: str, *, settling_s: float) -> None:
        if len(context.links) != 1:
            raise BenchError(f"device {context.name}: {what} has one link, not {len(context.links)}")
        self._context, self._clock = context, context.clock
        self._name = next(iter(context.links))
        self.timeout_s = float(context.links[self._name].get("timeout_s", DEFAULT_TIMEOUT_S))
        self._settling_s = settling_s
        self._stream: ByteStream | None = None
        self._buffer = bytearray()

    def identify(self) -> Identity:
        """Ask ``*IDN?``: manufacturer, model, serial number, firmware."""
        fields = [part.strip() for part in self.ask("*IDN?")[0].split(",")]
        if len(fields) != 4:
            raise RemoteProtocolError(
                f"{self._context.name}: *IDN? gives four fields, not {len(fields)}",
                data=",".join(fields).encode("latin-1", "replace"),
                clause="IEEE 488.2 10.14",
            )
        return Identity(serial=fields[2], model=f"{fields[0]} {fields[1]}", firmware=fields[3])

    def command(self, *units: str) -> None:
        """Send settings and wait until they are in force.

        Raises Refused ``instrument-error`` with the instrument's own number and text.
        """
        # Messages of their own: an instrument drops the rest of a message after the first error in it.
        message = scpi.program_message(*units) + b"*OPC?\nSYST:ERR?\n"
        done, error = self._exchange(message, 2, self._settling_s)
        number, text = scpi.error_of(error)
        if number or done != "1":
            raise Refused("instrument-error", f"{number} {text} after {'; '.join(units)}")

    def ask(self, *queries: str) -> list[str]:
        """Return the answers to ``queries``, one each."""
        message = b"".join(scpi.program_message(query) for query in queries)
        return self._exchange(message, len(queries), self.timeout_s)

    def close(self) -> None:
        """Close the link; the instrument stays as it is."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._buffer.clear()

    def _exchange(self, message: bytes, answers: int, timeout_s: float) -> list[str]:
        """Send ``message`` and return as many answers. After a failure, or a Ctrl-C, the link is closed.

        A late answer would otherwise be taken for that of the next question.
        """
        try:
            stream = self._opened()
            stream.write(message, self.timeout_s)
            lines: list[str] = []
            deadline_s = self._clock.monotonic_s() + timeout_s
            while len(lines) < answers:
                line = scpi.answer_line(self._buffer)
                if line is not None:
                    lines.append(line)
                    continue
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0:
                    raise ReadTimeout(
                        f"{self._context.name}: no whole answer within {timeout_s:g} s",
                        received=bytes(self._buffer),
                    )
                self._buffer += stream.read(scpi.MAX_MESSAGE_BYTES, left_s)
        except BaseException:
            self.close()
            raise
        return lines

    def _opened(self) -> ByteStream:
        if self._stream is None:
            self._buffer.clear()
            self._stream = self._context.open_link(self._name).stream
            self._stream.write(b"*CLS\n", self.timeout_s)  # errors of whoever was here before
        return self._stream


class ScpiTranscript:
    """Turns SCPI octets into the lines they are."""

    def __call__(self, direction: str, octets: bytes) -> list[str]:
        """Return the messages in ``octets``."""
        return octets.decode("latin-1").splitlines()
