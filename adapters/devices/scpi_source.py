"""An AC source spoken to in SCPI: the command set of the Fluke 6105A/6100B, as far as a load point needs it.

Every change is one message that ends in ``*OPC?`` and ``SYST:ERR?``, so it is known to have arrived, to have
been carried out and to have settled before the plan goes on. No hardware of this kind has been tried.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import ClassVar

from adapters.base import ByteStream
from adapters.errors import BenchError, ReadTimeout, Refused, RemoteProtocolError, TransportError
from adapters.protocols import scpi
from adapters.registry import AdapterContext
from adapters.roles import Identity

DEFAULT_TIMEOUT_S = 10.0
SETTLING_S = 60.0  # the longest a source takes to ramp up and settle
_PHASES = (1, 2, 3)
_ANGLES = (Decimal(0), Decimal(-120), Decimal(120))
_ANGLE_STEP = Decimal("0.0001")


class ScpiSource:
    """A power source on a bench. Its one link opens when it is first needed."""

    role: ClassVar[str] = "power_source"

    def __init__(self, context: AdapterContext) -> None:
        if len(context.links) != 1:
            raise BenchError(f"device {context.name}: a SCPI source has one link, not {len(context.links)}")
        self._context, self._clock = context, context.clock
        self._link = next(iter(context.links))
        self._timeout_s = float(context.links[self._link].get("timeout_s", DEFAULT_TIMEOUT_S))
        self._stream: ByteStream | None = None
        self._buffer = bytearray()
        self._energised = False  # by us, as far as we know

    @classmethod
    def transcript(cls, options: object) -> ScpiTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return ScpiTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask ``*IDN?``: manufacturer, model, serial number, firmware."""
        fields = [part.strip() for part in self._ask("*IDN?")[0].split(",")]
        if len(fields) != 4:
            raise RemoteProtocolError(
                f"{self._context.name}: *IDN? gives four fields, not {len(fields)}",
                data=",".join(fields).encode("latin-1", "replace"),
                clause="IEEE 488.2 10.14",
            )
        return Identity(serial=fields[2], model=f"{fields[0]} {fields[1]}", firmware=fields[3])

    def make_safe(self) -> None:
        """Switch the output off where this adapter switched it on.

        A source nobody switched on here is left alone. Raises when it cannot be told whether the output is
        off: a bench with voltage on its terminals must not be reported as safe.
        """
        if not self._energised:
            return
        try:
            self.switch_off()
        except TransportError:  # the connection may have died long ago: one more attempt on a fresh one
            self.switch_off()

    def close(self) -> None:
        """Close the link; the output stays as it is."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._buffer.clear()

    # -- PowerSource

    def apply(
        self,
        voltage_v: Decimal,
        current_a: Decimal = Decimal(0),
        power_factor: Decimal = Decimal(1),
        frequency_hz: Decimal = Decimal(50),
    ) -> None:
        """Put a balanced load point on the fitted phases and switch the output on.

        ``power_factor`` from -1 to 1: the current lags (inductive) by its arc cosine, so a negative one
        exports. Raises Refused ``instrument-error`` when the source does not take the values.
        """
        if not -1 <= power_factor <= 1:
            raise BenchError(f"{self._context.name}: power factor {power_factor} is not between -1 and 1")
        behind_deg = Decimal(math.degrees(math.acos(power_factor))).quantize(_ANGLE_STEP)
        fitted = self._ask(*(f"SOUR:PHAS{phase}:FITT?" for phase in _PHASES))
        self._command(f"SOUR:FREQ {frequency_hz}")
        for phase, angle_deg, is_fitted in zip(_PHASES, _ANGLES, fitted, strict=True):
            if is_fitted == "1":
                self._fundamental(f"SOUR:PHAS{phase}:VOLT", voltage_v, angle_deg)
                self._fundamental(f"SOUR:PHAS{phase}:CURR", current_a, angle_deg - behind_deg)
        self.switch_on()

    def switch_on(self) -> None:
        """Switch the output on with the load point set last, and wait until it has settled."""
        self._energised = True  # from here on it may be, whatever becomes of the answer
        self._switch("ON", "1")

    def switch_off(self) -> None:
        """Switch the output off."""
        self._switch("OFF", "0")
        self._energised = False

    # -- inside

    def _fundamental(self, path: str, amplitude: Decimal, angle_deg: Decimal) -> None:
        """Set a fundamental, in a wider range where the present one is too small."""
        (limits,) = self._ask(f"{path}:RANG?")
        widest = limits.rpartition(",")[2]
        if scpi.is_number(widest) and scpi.number(widest) < amplitude:
            self._command(f"{path}:RANG 0,{amplitude}")
        self._command(f"{path}:MHAR:HARM1 {amplitude},{angle_deg}", f"{path}:MHAR:STAT 1", f"{path}:STAT 1")

    def _switch(self, word: str, expected: str) -> None:
        self._command(f"OUTP:STAT {word}")
        (state,) = self._ask("OUTP:STAT?")
        if state != expected:
            raise Refused("instrument-error", f"output told to be {word}, reads back {state}")

    def _command(self, *units: str) -> None:
        """Send settings and wait until they are in force. Raises Refused with the instrument's own error."""
        # Messages of their own: an instrument drops the rest of a message after the first error in it.
        message = scpi.program_message(*units) + b"*OPC?\nSYST:ERR?\n"
        done, error = self._exchange(message, 2, SETTLING_S)
        number, text = scpi.error_of(error)
        if number or done != "1":
            raise Refused("instrument-error", f"{number} {text} after {'; '.join(units)}")

    def _ask(self, *queries: str) -> list[str]:
        message = b"".join(scpi.program_message(query) for query in queries)
        return self._exchange(message, len(queries), self._timeout_s)

    def _exchange(self, message: bytes, answers: int, timeout_s: float) -> list[str]:
        """Send ``message`` and return as many answers. After a failure the link is closed.

        A late answer would otherwise be taken for that of the next question.
        """
        try:
            stream = self._opened()
            stream.write(message, self._timeout_s)
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
        except (TransportError, RemoteProtocolError):
            self.close()
            raise
        return lines

    def _opened(self) -> ByteStream:
        if self._stream is None:
            self._buffer.clear()
            self._stream = self._context.open_link(self._link).stream
            self._stream.write(b"*CLS\n", self._timeout_s)  # errors of whoever was here before
        return self._stream


class ScpiTranscript:
    """Turns SCPI octets into the lines they are."""

    def __call__(self, direction: str, octets: bytes) -> list[str]:
        """Return the messages in ``octets``."""
        return octets.decode("latin-1").splitlines()
