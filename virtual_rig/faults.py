"""Faults of the wire, by name, so that a reviewer can spoil one thing and see who notices.

    damage_byte=<link>:<n>   the n-th octet from the device (from 1 on) arrives with its lowest bit flipped
    silent=<link>[:<n>]      after n octets from the device (0: at once) nothing arrives any more
    drop=<link>:<n>          after n octets from the device it hangs up

They act between a model and its line, on all connections of the link together; the device knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.base import LineSettings
from adapters.errors import BenchError
from virtual_rig.wire import HostLine, LineModel

_NEEDS_COUNT: Final = {"damage_byte": True, "silent": False, "drop": True}


@dataclass(frozen=True, kw_only=True)
class WireFaults:
    """Faults of one link; numbers count octets from the device, None means: does not happen."""

    damage_byte: int | None = None
    silent: int | None = None
    drop: int | None = None


def faults_of(link: str, faults: Mapping[str, str]) -> WireFaults | None:
    """Return what ``faults`` (name -> ``link:number``) does to ``link``, or None."""
    found: dict[str, int] = {}
    for name, value in faults.items():
        target, _, count = value.partition(":")
        if target == link and name in _NEEDS_COUNT:
            found[name] = int(count or 0)
    return WireFaults(**found) if found else None


def check_faults(faults: Mapping[str, str], links: frozenset[str]) -> None:
    """Raise BenchError for a fault that does not exist, or one of a link the site does not have."""
    for name, value in faults.items():
        if name not in _NEEDS_COUNT:
            raise BenchError(f"no fault is called {name!r}; there are {', '.join(_NEEDS_COUNT)}")
        target, colon, count = value.partition(":")
        if target not in links:
            raise BenchError(f"fault {name}={value}: the site has the links {', '.join(sorted(links))}")
        if (_NEEDS_COUNT[name] or colon) and not (count.isdecimal() and int(count) > 0):
            raise BenchError(f"fault {name}={value}: write {name}={target}:<n> with n = 1, 2, ...")


class FaultyModel:
    """A line model behind a wire with ``faults``."""

    def __init__(self, model: LineModel, faults: WireFaults) -> None:
        self._model, self._faults = model, faults
        self._lines: dict[str, FaultyLine] = {}
        self.sent = 0

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
