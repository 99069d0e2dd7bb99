"""Relays in the paths of a bench, spoken to in SCPI: the signal switcher of SCPI-99, ``ROUTe``.

A profile names the paths and the channels they hang on. Every contact is read back after it was told to move.
No hardware of this kind has been tried.
"""

from __future__ import annotations

from typing import ClassVar

from adapters.devices.scpi_link import ScpiLink, ScpiTranscript
from adapters.errors import BenchError, Refused, RemoteProtocolError, TransportError
from adapters.profiles.loader import load_profile_as
from adapters.profiles.paths import PathsProfile
from adapters.protocols import scpi
from adapters.registry import AdapterContext
from adapters.roles import Identity, PathState

SETTLING_S = 10.0  # far more than any relay takes


class ScpiSwitch:
    """A path switch on a bench. Its one link opens when it is first needed."""

    role: ClassVar[str] = "path_switch"

    def __init__(self, context: AdapterContext) -> None:
        if not context.profile:
            raise BenchError(
                f"device {context.name}: a path switch needs a profile that names its paths, e.g. lab_paths"
            )
        self._name = context.name
        self._profile = load_profile_as(context.profile, PathsProfile)
        self._link = ScpiLink(context, "a SCPI switch", settling_s=SETTLING_S)
        self._opened: dict[str, int] = {}  # by us, as far as we know; path -> channel

    @classmethod
    def transcript(cls, options: object) -> ScpiTranscript:
        """Return the decoder of this adapter's wire bytes."""
        return ScpiTranscript()

    # -- Device

    def identify(self) -> Identity:
        """Ask ``*IDN?``: manufacturer, model, serial number, firmware."""
        return self._link.identify()

    def make_safe(self) -> None:
        """Connect every path this adapter has interrupted; one that others opened is left alone.

        Raises when it cannot be told whether they are connected: the next run would look for faults in
        meters that have no antenna.
        """
        if not self._opened:
            return
        try:
            self._connect_all()
        except TransportError:  # the connection may have died long ago: one more attempt on a fresh one
            self._connect_all()

    def close(self) -> None:
        """Close the link; the contacts stay as they are."""
        self._link.close()

    # -- PathSwitch

    def open_path(self, path: str) -> PathState:
        """Interrupt ``path``. Raises Refused ``instrument-error`` where the contact did not move."""
        channel = self._channel(path)
        self._opened[path] = channel  # from here on it may be, whatever becomes of the answer
        return self._switch(path, channel, closed=False)

    def close_path(self, path: str) -> PathState:
        """Connect ``path``. Raises Refused ``instrument-error`` where the contact did not move."""
        state = self._switch(path, self._channel(path), closed=True)
        self._opened.pop(path, None)
        return state

    def path_state(self, path: str) -> PathState:
        """Ask whether ``path`` is connected."""
        return PathState(path=path, closed=self._are_closed([self._channel(path)])[0])

    # -- inside

    def _channel(self, path: str) -> int:
        if path not in self._profile.paths:
            known = ", ".join(self._profile.paths)
            raise BenchError(
                f"{self._name}: profile {self._profile.profile} has no path {path!r}, but {known}"
            )
        return self._profile.paths[path].channel

    def _switch(self, path: str, channel: int, *, closed: bool) -> PathState:
        self._link.command(f"ROUT:{'CLOS' if closed else 'OPEN'} {scpi.channel_list([channel])}")
        if self._are_closed([channel])[0] is not closed:
            told, found = ("close", "open") if closed else ("open", "closed")
            raise Refused(
                "instrument-error", f"path {path} (channel {channel}) told to {told}, reads {found}"
            )
        return PathState(path=path, closed=closed)

    def _are_closed(self, channels: list[int]) -> list[bool]:
        (answer,) = self._link.ask(f"ROUT:CLOS? {scpi.channel_list(channels)}")
        states = [state.strip() for state in answer.split(",")]
        if len(states) != len(channels) or not set(states) <= {"0", "1"}:
            raise RemoteProtocolError(
                f"{self._name}: ROUT:CLOS? of {len(channels)} channels answered {answer!r}",
                data=answer.encode("latin-1", "replace"),
                clause="SCPI-99 ROUTe:CLOSe?",
            )
        return [state == "1" for state in states]

    def _connect_all(self) -> None:
        channels = list(self._opened.values())
        self._link.command(f"ROUT:CLOS {scpi.channel_list(channels)}")
        states = self._are_closed(channels)
        still = [path for path, closed in zip(self._opened, states, strict=True) if not closed]
        self._opened = {path: self._opened[path] for path in still}
        if still:
            raise Refused("instrument-error", f"told to close, still open: {', '.join(still)}")
