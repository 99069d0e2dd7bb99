"""A three-phase AC source with phantom voltage and current, spoken to in SCPI over a line.

The commands are a subset of those of the Fluke 6105A/6100B (users manual, chapter 5): per phase the
fundamental of voltage and current as RMS value and angle, their ranges, the output switch and its ramp. What
it identifies itself as is this project, not Fluke. It drives the ``Supply`` the meters of the site hang on.

Assumed, since the manual's pages on them were not to be had: frequency from 16 to 850 Hz, that a range is
chosen by its upper end, and that ``*RST`` switches the output off and sets everything to zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.protocols import scpi
from adapters.protocols.scpi import CommandError, CommandTree, ScpiParser
from virtual_rig.supply import LoadPoint, PhaseLoad, Supply
from virtual_rig.wire import HostLine, Scheduler

VOLTAGE_RANGES_V = tuple(Decimal(v) for v in (23, 45, 90, 180, 360, 650, 1008))
CURRENT_RANGES_A = tuple(Decimal(v) for v in ("0.25", "0.5", 1, 2, 5, 10, 21, 50, 80))
FREQUENCY_HZ = (Decimal(16), Decimal(850))
PHASES = (1, 2, 3)
_ANGLES = (Decimal(0), Decimal(-120), Decimal(120))
_MICRO = Decimal("0.000001")


@dataclass(kw_only=True)
class _Channel:
    """Voltage or current of one phase."""

    ranges: tuple[Decimal, ...]
    limit: Decimal
    amplitude: Decimal = Decimal(0)
    angle_deg: Decimal = Decimal(0)
    enabled: bool = True
    harmonics: bool = True

    @property
    def effective(self) -> Decimal:
        """RMS value at the terminal while the output is on."""
        return self.amplitude if self.enabled and self.harmonics else Decimal(0)


@dataclass(kw_only=True)
class _Phase:
    voltage: _Channel = field(default_factory=lambda: _Channel(ranges=VOLTAGE_RANGES_V, limit=Decimal(360)))
    current: _Channel = field(default_factory=lambda: _Channel(ranges=CURRENT_RANGES_A, limit=Decimal(80)))


class AcSource:
    """The instrument; a ``LineModel`` for any number of connections, each with its own error queue.

    It starts as the supply is. Answers to a message with ``*OPC?`` wait until the output has settled.
    """

    def __init__(self, rig: Scheduler, supply: Supply, *, serial: str = "1") -> None:
        self._rig, self._supply, self._serial = rig, supply, serial
        self._parsers: dict[HostLine, ScpiParser] = {}
        self._speaking: ScpiParser | None = None
        self._waits = False
        self._ramp_s = Decimal(0)
        self._settled_at_s = 0.0
        self._changes = 0
        self._phases = {number: _Phase() for number in PHASES}
        self._frequency_hz, self._on = supply.point.frequency_hz, supply.point.on
        self._take_over(supply.point)
        self._tree = self._commands()

    # -- LineModel

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._parsers[line] = ScpiParser(self._tree)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self._speaking, self._waits = self._parsers[line], False
        answers = self._speaking.receive_data(data)
        delay_s = max(0.0, self._settled_at_s - self._rig.now_s()) if self._waits else 0.0
        if answers:
            line.send(answers, delay_s)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``; a break clears nothing here."""

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``; the output stays as it is."""
        self._parsers.pop(line, None)

    # -- the instrument

    def _commands(self) -> CommandTree:
        tree = CommandTree()
        tree.on("*IDN", query=lambda *_: f"MeterBench,Virtual AC source,{self._serial},1")
        tree.on("*RST", setter=lambda *_: self._reset())
        tree.on("*CLS", setter=lambda *_: self._parser().clear())
        tree.on("*OPC", query=lambda *_: self._operation_complete())
        tree.on("SYSTem:ERRor[:NEXT]", query=lambda *_: self._parser().next_error())
        tree.on("[SOURce:]FREQuency", setter=self._set_frequency, query=lambda *_: str(self._frequency_hz))
        tree.on("[SOURce:]PHASe#:FITTed", query=lambda s, _: str(int(s[0] in PHASES)))
        tree.on("[SOURce:]PHASe#:POWer:WATT", query=lambda s, _: self._power(s, math.cos))
        tree.on("[SOURce:]PHASe#:POWer:VA", query=lambda s, _: self._power(s, lambda _angle: 1.0))
        for name, current in (("VOLTage", False), ("CURRent", True)):
            self._channel_commands(tree, f"[SOURce:]PHASe#:{name}", current)
        tree.on("OUTPut[:STATe]", setter=self._set_output, query=lambda *_: str(int(self._on)))
        tree.on("OUTPut:RAMP:TIME", setter=self._set_ramp, query=lambda *_: str(self._ramp_s))
        return tree

    def _channel_commands(self, tree: CommandTree, path: str, current: bool) -> None:
        def channel(suffixes: tuple[int, ...]) -> _Channel:
            phase = self._phases.get(suffixes[0])
            if phase is None:
                raise CommandError(-114, f"phase {suffixes[0]} is not fitted")
            return phase.current if current else phase.voltage

        def set_range(suffixes: tuple[int, ...], arguments: Sequence[str]) -> None:
            chosen, (_, upper) = channel(suffixes), scpi.numbers(arguments, 2)
            fitting = [limit for limit in chosen.ranges if limit >= upper]
            if not fitting or upper <= 0:
                raise CommandError(-222, str(upper))
            if fitting[0] < chosen.amplitude:
                raise CommandError(-221, f"{chosen.amplitude} is set")
            chosen.limit = fitting[0]

        def set_fundamental(suffixes: tuple[int, ...], arguments: Sequence[str]) -> None:
            chosen, (amplitude, angle_deg) = channel(suffixes), scpi.numbers(arguments, 2)
            if suffixes[1] != 1:
                raise CommandError(-114, "only the fundamental is modelled")
            if not 0 <= amplitude <= chosen.limit or not -360 <= angle_deg <= 360:
                raise CommandError(-222, f"{amplitude},{angle_deg}")
            chosen.amplitude, chosen.angle_deg = amplitude, angle_deg
            self._changed()

        def set_flag(name: str, suffixes: tuple[int, ...], arguments: Sequence[str]) -> None:
            setattr(channel(suffixes), name, scpi.boolean(arguments))
            self._changed()

        def fundamental(suffixes: tuple[int, ...], _: Sequence[str]) -> str:
            return f"{channel(suffixes).amplitude},{channel(suffixes).angle_deg}"

        tree.on(f"{path}:RANGe", setter=set_range, query=lambda s, _: f"0,{channel(s).limit}")
        tree.on(f"{path}:MHARmonics:HARMonic#", setter=set_fundamental, query=fundamental)
        tree.on(
            f"{path}:MHARmonics:STATe",
            setter=lambda s, a: set_flag("harmonics", s, a),
            query=lambda s, _: str(int(channel(s).harmonics)),
        )
        tree.on(
            f"{path}:STATe",
            setter=lambda s, a: set_flag("enabled", s, a),
            query=lambda s, _: str(int(channel(s).enabled)),
        )
        tree.on(f"{path}:AMPLitude", query=lambda s, _: str(channel(s).effective if self._on else Decimal(0)))

    def _parser(self) -> ScpiParser:
        assert self._speaking is not None  # handlers only run inside ``received``
        return self._speaking

    def _operation_complete(self) -> str:
        self._waits = True
        return "1"

    def _set_frequency(self, _: tuple[int, ...], arguments: Sequence[str]) -> None:
        (frequency_hz,) = scpi.numbers(arguments, 1)
        if not FREQUENCY_HZ[0] <= frequency_hz <= FREQUENCY_HZ[1]:
            raise CommandError(-222, str(frequency_hz))
        self._frequency_hz = frequency_hz
        self._changed()

    def _set_ramp(self, _: tuple[int, ...], arguments: Sequence[str]) -> None:
        (ramp_s,) = scpi.numbers(arguments, 1)
        if not 0 <= ramp_s <= 600:
            raise CommandError(-222, str(ramp_s))
        self._ramp_s = ramp_s

    def _set_output(self, _: tuple[int, ...], arguments: Sequence[str]) -> None:
        on = scpi.boolean(arguments)
        if on != self._on:
            self._on = on
            self._changed()

    def _changed(self) -> None:
        """Bring the terminals to what is set: at once, or at the end of the ramp when switching on."""
        self._changes += 1
        ramp_s = float(self._ramp_s) if self._on and not self._supply.point.on else 0.0
        self._settled_at_s = self._rig.now_s() + ramp_s
        if ramp_s:
            self._rig.call_later(ramp_s, self._apply, self._changes)
        else:
            self._apply(self._changes)

    def _apply(self, change: int) -> None:
        if change == self._changes:  # a later command has not overtaken this one
            loads = tuple(_load(self._phases[number]) for number in PHASES)
            phases = (loads[0], loads[1], loads[2])
            self._supply.apply(LoadPoint(phases=phases, frequency_hz=self._frequency_hz, on=self._on))

    def _reset(self) -> None:
        self._phases = {number: _Phase() for number in PHASES}
        self._frequency_hz, self._on, self._ramp_s = Decimal(50), False, Decimal(0)
        self._changed()

    def _take_over(self, point: LoadPoint) -> None:
        for number, load, angle_deg in zip(PHASES, point.phases, _ANGLES, strict=True):
            phase = self._phases[number]
            behind = Decimal(math.degrees(math.acos(load.power_factor))).quantize(Decimal("0.0001"))
            phase.voltage.amplitude, phase.voltage.angle_deg = load.voltage_v, angle_deg
            phase.current.amplitude = load.current_a
            phase.current.angle_deg = angle_deg + (behind if load.leading else -behind)

    def _power(self, suffixes: tuple[int, ...], of: object) -> str:
        phase = self._phases.get(suffixes[0])
        if phase is None:
            raise CommandError(-114, f"phase {suffixes[0]} is not fitted")
        assert callable(of)
        apparent_va = float(phase.voltage.effective * phase.current.effective) if self._on else 0.0
        return f"{apparent_va * of(_behind(phase)):.6E}"


def _behind(phase: _Phase) -> float:
    """Return by how much the current lags the voltage, in radians."""
    return math.radians(float(phase.voltage.angle_deg - phase.current.angle_deg))


def _load(phase: _Phase) -> PhaseLoad:
    behind = _behind(phase)
    return PhaseLoad(
        voltage_v=phase.voltage.effective,
        current_a=phase.current.effective,
        power_factor=Decimal(math.cos(behind)).quantize(_MICRO),
        leading=math.sin(behind) < -1e-9,
    )
