"""What the MCS301 shows and takes at its optical port in IEC 62056-21 mode C.

The data sets are the profile's (``mode_c``, assumed): each is attribute 2 of a COSEM object, as text. Reading
needs no password, writing needs P1 (assumed). Error texts are ours: ER01 unknown command, ER02 unknown data,
ER03 not permitted, ER04 value not possible, ER05 wrong password.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from adapters.profiles.model import ModeC, ModeCData
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.enums import DataAccessResult
from adapters.protocols.iec62056_21 import Acknowledged, Command, DataMessage, DataSet
from virtual_rig.meters.cosem import LiveObject
from virtual_rig.meters.mcs301 import Mcs301

ENERGY_DIGITS = 11  # seven before and three behind the point
_COMPARED = 4


class ModeCDesk:
    """The meter's side of one session: who has proved himself, and what the data sets say."""

    def __init__(self, meter: Mcs301, rules: ModeC, password: bytes) -> None:
        self._meter, self._world, self._rules = meter, meter.world, rules
        self._password = password.decode("ascii")
        self._proved = False
        self._failures = 0

    # --- ModeCDevice -------------------------------------------------------------------------------------

    def readout(self) -> tuple[DataSet, ...]:
        """Return every data set the profile lists."""
        data = self._rules.data
        if not self._world.obeys("DLX-OPT-01"):
            data = data[:-1]  # the buffer is one line too short
        return tuple(self._shown(each) for each in data)

    def repeated(self, sent: bytes) -> bytes:
        """Return the same message once more."""
        if self._world.obeys("DLX-OPT-03") or self._rules.programming is False:
            return sent
        return DataMessage(data=self.readout()[-1:], readout=True).encode()  # what the buffer still holds

    def operand(self) -> str:
        """Return nothing: the password goes as it is."""
        return ""

    def command(self, command: Command) -> DataMessage | Acknowledged | None:
        """Carry out a command of programming mode."""
        data = command.data or DataSet()
        match command.letter, command.kind:
            case "P", "1" | "2":
                return self._prove(data.value)
            case "R", "1" | "5":
                return self._read(data.address)
            case "W", "1" | "5":
                return self._write(data)
        return _error("ER01")

    # --- inside -----------------------------------------------------------------------------------------

    def _prove(self, given: str) -> DataMessage | Acknowledged | None:
        right = given == self._password
        if not self._world.obeys("DLX-OPT-05"):
            right = given[:_COMPARED] == self._password[:_COMPARED]
        if right:
            self._proved, self._failures = True, 0
            return Acknowledged()
        self._proved = False
        self._failures += 1
        self._meter.record("fraud", "authentication_failure")
        if self._failures >= self._rules.attempts and self._world.obeys("DLX-OPT-09"):
            return None
        return _error("ER05")

    def _read(self, code: str) -> DataMessage:
        entry = self._entry(code)
        return _error("ER02") if entry is None else DataMessage(data=(self._shown(entry),))

    def _write(self, data: DataSet) -> DataMessage | Acknowledged:
        entry = self._entry(data.address)
        if entry is None:
            return _error("ER02")
        if not (self._proved or not self._world.obeys("DLX-OPT-06")) or not entry.writable:
            return _error("ER03")
        live = self._meter.model.by_name[entry.object]
        held, setter = live.getters[2](), live.setters.get(2)
        try:
            raw = Decimal(data.value).scaleb(-live.entry.scaler)
        except InvalidOperation:
            return _error("ER04")
        if setter is None or raw != raw.to_integral_value() or not raw.is_finite():
            return _error("ER04")
        done = setter(Data(held.tag, int(raw)))
        return Acknowledged() if done is DataAccessResult.SUCCESS else _error("ER04")

    def _entry(self, code: str) -> ModeCData | None:
        return next((each for each in self._rules.data if each.code == code), None)

    def _shown(self, entry: ModeCData) -> DataSet:
        live = self._meter.model.by_name[entry.object]
        value = live.getters[2]().value
        if isinstance(value, bytes):
            text = value.decode("ascii", "replace")
        elif isinstance(value, int) and not isinstance(value, bool):
            text = self._number(entry, live, value)
        else:
            text = str(value)
        return DataSet(address=entry.code, value=text, unit=entry.unit)

    def _number(self, entry: ModeCData, live: LiveObject, raw: int) -> str:
        value = Decimal(raw).scaleb(live.entry.scaler)
        if entry.unit.startswith("k") and not live.entry.unit.startswith("k"):
            value = value.scaleb(-3)
            if not self._world.obeys("DLX-OPT-02"):
                value = value - value % Decimal("0.01")  # one digit of the display too few
            return f"{value:0{ENERGY_DIGITS}.{entry.decimals}f}"
        return f"{value:.{entry.decimals}f}"


def _error(text: str) -> DataMessage:
    return DataMessage(data=(DataSet(value=text),))
