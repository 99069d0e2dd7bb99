"""Faults of the wire, by name, so that a reviewer can spoil one thing and see who notices.

    damage_byte=<link>:<n>   the n-th octet from the device (from 1 on) arrives with its lowest bit flipped
    silent=<link>[:<n>]      after n octets from the device (0: at once) nothing arrives any more
    drop=<link>:<n>          after n octets from the device it hangs up
    lose=<link>:<n>          the n-th message of the device gets lost, and no other: over UDP a datagram

They act between a model and its line, on all connections of the link together; the device knows nothing.
Where a site has several devices, a link is written ``<device>.<link>``, or ``<device>`` where there is one.
Faults of devices themselves have names of their own; a part of a site asks the ``FaultDesk`` for them.
``blackout=<meter>:<n>`` takes the supply away at the n-th event of a meter (``virtual_rig.meters.moments``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from adapters.base import LineSettings
from adapters.errors import BenchError
from virtual_rig.wire import HostLine, LineModel

C = TypeVar("C", bound=str)

_NEEDS_COUNT: Final = {"damage_byte": True, "silent": False, "drop": True, "lose": True}


@dataclass(frozen=True, kw_only=True)
class WireFaults:
    """Faults of one link; numbers count octets (``lose``: messages) from the device."""

    damage_byte: int | None = None
    silent: int | None = None
    drop: int | None = None
    lose: int | None = None


class FaultDesk:
    """What ``--faults`` asks for, as the parts of a site come and ask what concerns them.

    ``settle`` raises BenchError for what nobody asked for: a fault or a target that does not exist.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        self._faults = dict(faults)
        self._known: dict[str, dict[str, None]] = {name: {} for name in _NEEDS_COUNT}
        self._taken: set[str] = set()

    def of_wire(self, device: str, link: str) -> WireFaults | None:
        """Return the faults of one wire."""
        names = (f"{device}.{link}", device if link == "main" else link)
        found: dict[str, int] = {}
        for name, needs_count in _NEEDS_COUNT.items():
            written = self._asked(name, *names)
            if written is not None:
                found[name] = self._count(name, written, needed=needs_count)
        return WireFaults(**found) if found else None

    def text(self, name: str, target: str) -> str | None:
        """Return what ``--faults name=target[:text]`` says about ``target``, None where it says nothing."""
        return self._asked(name, target)

    def switch(self, name: str, target: str) -> bool:
        """Return whether the fault is asked for."""
        return self._asked(name, target) is not None

    def choice(self, name: str, target: str, choices: Sequence[C]) -> C | None:
        """Return the word of ``name=target:word``, the first one where none is given. Raises BenchError."""
        written = self._asked(name, target)
        if written is None:
            return None
        found = next((word for word in choices if word == (written or choices[0])), None)
        if found is None:
            hint = f"expected {name}={target}:<{' | '.join(choices)}>"
            raise BenchError(f"fault {name}={self._faults[name]}: {hint}")
        return found

    def number(self, name: str, target: str) -> float | None:
        """Return the number of ``name=target:number``. Raises BenchError where there is none."""
        written = self._asked(name, target)
        if written is None:
            return None
        try:
            value = float(written)
        except ValueError:
            value = -1.0
        if not 0 < value < 1e9:
            raise BenchError(f"fault {name}={self._faults[name]}: write {name}={target}:<a number above 0>")
        return value

    def settle(self) -> None:
        """Raise BenchError for a fault nobody knows, or one of something the site does not have."""
        for name, value in self._faults.items():
            if name not in self._known:
                hint = difflib.get_close_matches(name, self._known, 1)
                raise BenchError(
                    f"no fault is called {name!r}; there are {', '.join(self._known)}"
                    + (f"; did you mean {hint[0]}?" if hint else "")
                )
            if name not in self._taken:
                targets = ", ".join(sorted(self._known[name])) or "nothing that can have it"
                raise BenchError(f"fault {name}={value}: the site has {targets}")

    def _asked(self, name: str, *targets: str) -> str | None:
        self._known.setdefault(name, {}).update(dict.fromkeys(targets[-1:]))
        target, _, rest = self._faults.get(name, "").partition(":")
        if name in self._faults and target in targets:
            self._taken.add(name)
            return rest
        return None

    def _count(self, name: str, written: str, *, needed: bool) -> int:
        value = self._faults[name]
        if (needed or ":" in value) and not (written.isdecimal() and int(written) > 0):
            target = value.partition(":")[0]
            raise BenchError(f"fault {name}={value}: write {name}={target}:<n> with n = 1, 2, ...")
        return int(written or 0)


class FaultyModel:
    """A line model behind a wire with ``faults``."""

    def __init__(self, model: LineModel, faults: WireFaults) -> None:
        self._model, self._faults = model, faults
        self._lines: dict[str, FaultyLine] = {}
        self.sent = self.messages = 0

    def opened(self, line: HostLine) -> None:
        """See ``LineModel``."""
        faulty = self._lines[line.name] = FaultyLine(line, self._faults, self)
        self._model.opened(faulty)

    def received(self, line: HostLine, data: bytes) -> None:
        """See ``LineModel``."""
        self._model.received(self._lines[line.name], data)

    def broke(self, line: HostLine, duration_s: float) -> None:
        """See ``LineModel``."""
        self._model.broke(self._lines[line.name], duration_s)

    def closed(self, line: HostLine) -> None:
        """See ``LineModel``."""
        self._model.closed(self._lines.pop(line.name))


class FaultyLine:
    """The line as the model holds it; what it sends goes through the faults first."""

    def __init__(self, line: HostLine, faults: WireFaults, shared: FaultyModel) -> None:
        self._line, self._faults, self._shared = line, faults, shared
        self.name = line.name

    @property
    def device_settings(self) -> LineSettings | None:
        """See ``HostLine``."""
        return self._line.device_settings

    @device_settings.setter
    def device_settings(self, settings: LineSettings | None) -> None:
        self._line.device_settings = settings

    @property
    def stalled(self) -> bool:
        """See ``HostLine``."""
        return self._line.stalled

    @stalled.setter
    def stalled(self, value: bool) -> None:
        self._line.stalled = value

    @property
    def host_settings(self) -> LineSettings | None:
        """See ``HostLine``."""
        return self._line.host_settings

    def send(self, data: bytes, delay_s: float = 0.0, settings: LineSettings | None = None) -> None:
        """Send what the faults leave of ``data``."""
        faults, before = self._faults, self._shared.sent
        self._shared.sent += len(data)
        self._shared.messages += 1
        if self._shared.messages == faults.lose:
            return
        out = bytearray(data)
        if faults.damage_byte is not None and before < faults.damage_byte <= before + len(data):
            out[faults.damage_byte - before - 1] ^= 0x01
        ends = [limit for limit in (faults.silent, faults.drop) if limit is not None]
        if ends:
            del out[max(0, min(ends) - before) :]
        if out:
            self._line.send(bytes(out), delay_s, settings)
        if faults.drop is not None and self._shared.sent >= faults.drop:
            self._line.close()

    def close(self) -> None:
        """See ``HostLine``."""
        self._line.close()
