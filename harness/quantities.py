"""Numbers with units as people write them: ``30 min``, ``0.1 %``, ``5 A``, ``-0.5 s/day``.

Values are Decimal, so that a limit means exactly what was written. The unit library is loaded only when
two different units meet; durations and equal units never need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any

_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")

_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "second": Decimal(1),
    "seconds": Decimal(1),
    "min": Decimal(60),
    "minute": Decimal(60),
    "minutes": Decimal(60),
    "h": Decimal(3600),
    "hour": Decimal(3600),
    "hours": Decimal(3600),
    "d": Decimal(86400),
    "day": Decimal(86400),
    "days": Decimal(86400),
}

# The last part of a name says its unit (``voltage_v``); the house style of results and parameters.
_SUFFIXES = {
    "s": "s",
    "ms": "ms",
    "v": "V",
    "a": "A",
    "w": "W",
    "va": "VA",
    "var": "var",
    "wh": "Wh",
    "kwh": "kWh",
    "vah": "VAh",
    "varh": "varh",
    "hz": "Hz",
    "percent": "%",
    "ppm": "ppm",
    "deg": "deg",
    "dbm": "dBm",
    "mm": "mm",
}


@dataclass(frozen=True)
class Unit:
    """Annotates a parameter with the unit its method takes: ``Annotated[Decimal, Unit("V")]``."""

    symbol: str


Duration = Annotated[float, Unit("s")]


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number and the unit it was written with; the unit is empty where there was none."""

    value: Decimal
    unit: str = ""

    def to(self, unit: str) -> Decimal:
        """Return the value in ``unit``; a number without a unit is taken to be in it already.

        Raises ValueError where the units measure different things.
        """
        if not self.unit or not unit or self.unit == unit:
            return self.value
        if self.unit in _SECONDS and unit in _SECONDS:
            return self.value * _SECONDS[self.unit] / _SECONDS[unit]
        return _converted(self.value, self.unit, unit)

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}".rstrip()


def parse(text: str) -> Quantity:
    """Return the number and unit of a text. Raises ValueError in words."""
    stripped = text.strip()
    number = _NUMBER.match(stripped)
    if number is None:
        raise ValueError("expected a number, with or without a unit")
    unit = stripped[number.end() :].strip()
    if unit and not re.fullmatch(r"[A-Za-zµμΩ°%][\w%°µμΩ/*^. ²³-]{0,30}", unit):
        raise ValueError(f"`{unit}` is not a unit")
    try:
        return Quantity(value=Decimal(number.group().replace("_", "")), unit=unit)
    except InvalidOperation:
        raise ValueError("expected a number, with or without a unit") from None


def duration_s(text: str) -> float:
    """Return a duration in seconds. Raises ValueError in words.

    It needs a unit, because two people read a bare ``within: 30`` differently.
    """
    try:
        quantity = parse(text)
    except ValueError:
        raise ValueError("expected a duration such as `30 s`, `5 min` or `2 h`") from None
    if not quantity.unit:
        raise ValueError(f"a duration needs a unit: `{text} s`, `{text} min` or `{text} h`")
    if quantity.unit not in _SECONDS:
        raise ValueError(f"`{quantity.unit}` is not a unit of time; expected ms, s, min, h or d")
    if quantity.value < 0:
        raise ValueError("a duration cannot be negative")
    return float(quantity.value * _SECONDS[quantity.unit])


def unit_of_name(name: str) -> str:
    """Return the unit a field or parameter name ends in: ``V`` for ``voltage_v``, empty where it has none."""
    head, _, last = name.rpartition("_")
    return _SUFFIXES.get(last, "") if head else ""


def is_known_unit(unit: str) -> bool:
    """Return whether ``unit`` is a unit of measurement."""
    if unit in _SECONDS or unit in _SUFFIXES.values():
        return True
    try:
        _registry().parse_units(_spelled(unit))
    except Exception:  # noqa: BLE001 -- the unit library raises its own, pint's and tokenizer errors alike
        return False
    return True


def _converted(value: Decimal, unit: str, wanted: str) -> Decimal:
    registry = _registry()
    if _power_kind(unit) != _power_kind(wanted):
        raise ValueError(f"`{unit}` cannot be compared with `{wanted}`")
    try:
        quantity = registry.Quantity(value, registry.parse_units(_spelled(unit)))
        return Decimal(quantity.to(registry.parse_units(_spelled(wanted))).magnitude)
    except Exception as error:
        raise ValueError(f"`{unit}` cannot be compared with `{wanted}`") from error


def _power_kind(unit: str) -> str:
    """Tell active, reactive and apparent apart: one dimension, but nobody may compare watts with vars."""
    if "var" in unit:
        return "reactive"
    return "apparent" if "VA" in unit else "active"


def _spelled(unit: str) -> str:
    """Return the unit as the unit library spells it."""
    return re.sub(r"\bd\b", "day", unit).replace("varh", "var*h").replace("VAh", "VA*h")


@cache
def _registry() -> Any:
    import pint  # costs most of a second: only where two different units meet

    registry: Any = pint.UnitRegistry(non_int_type=Decimal)
    registry.define("var = volt * ampere")
    return registry
