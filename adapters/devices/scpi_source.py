"""An AC source spoken to in SCPI: the command set of the Fluke 6105A/6100B, as far as a load point needs it.

Every change is confirmed before the plan goes on (``scpi_link``). No hardware of this kind has been tried.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import ClassVar

from adapters.devices.scpi_link import ScpiLink, ScpiTranscript
from adapters.errors import BenchError, Refused, TransportError
from adapters.protocols import scpi
from adapters.registry import AdapterContext
from adapters.roles import Identity

SETTLING_S = 60.0  # the longest a source takes to ramp up and settle
_PHASES = (1, 2, 3)
_ANGLES = (Decimal(0), Decimal(-120), Decimal(120))
_ANGLE_STEP = Decimal("0.0001")


class ScpiSource:
    """A power source on a bench. Its one link opens when it is first needed."""

    role: ClassVar[str] = "power_source"

    def __init__(self, context: AdapterContext) -> None:
        self._name = context.name
        self._link = ScpiLink(context, "a SCPI source", settling_s=SETTLING_S)
        self._energised = False  # by us, as far as we know

    @classmethod
    def transcript(cls, options: object) -> ScpiTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return ScpiTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask ``*IDN?``: manufacturer, model, serial number, firmware."""
        return self._link.identify()

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
        self._link.close()

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
            raise BenchError(f"{self._name}: power factor {power_factor} is not between -1 and 1")
        behind_deg = Decimal(math.degrees(math.acos(power_factor))).quantize(_ANGLE_STEP)
        fitted = self._link.ask(*(f"SOUR:PHAS{phase}:FITT?" for phase in _PHASES))
        self._link.command(f"SOUR:FREQ {frequency_hz}")
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
        (limits,) = self._link.ask(f"{path}:RANG?")
        widest = limits.rpartition(",")[2]
        if scpi.is_number(widest) and scpi.number(widest) < amplitude:
            self._link.command(f"{path}:RANG 0,{amplitude}")
        self._link.command(
            f"{path}:MHAR:HARM1 {amplitude},{angle_deg}", f"{path}:MHAR:STAT 1", f"{path}:STAT 1"
        )

    def _switch(self, word: str, expected: str) -> None:
        self._link.command(f"OUTP:STAT {word}")
        (state,) = self._link.ask("OUTP:STAT?")
        if state != expected:
            raise Refused("instrument-error", f"output told to be {word}, reads back {state}")
