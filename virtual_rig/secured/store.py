"""Security material on a handheld: what has been retrieved and not been used yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.protocols.endpoint_link.material import Kind, Material
from adapters.protocols.endpoint_link.words import Command
from virtual_rig.secured.fdm import what_it_is
from virtual_rig.world import World


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the Current Commands tab: what can be done once, and on which device."""

    endpoint: int
    command: Command


class MaterialStore:
    """The pieces by number. ``used`` are those used up since the server was last told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pieces: dict[int, Material] = {}
        self._latest: frozenset[int] = frozenset()  # endpoints of the latest retrieval
        self.used: set[int] = set()

    def take_in(self, pieces: Iterable[Material], endpoints: Iterable[int]) -> None:
        """Keep what was retrieved for ``endpoints``; what is there already is not kept twice."""
        self._pieces.update({piece.number: piece for piece in pieces if piece.number not in self.used})
        self._latest = frozenset(endpoints)

    def find(self, endpoint: int, kind: Kind, command: Command | None = None) -> tuple[Material, ...]:
        """Return the pieces that serve, the oldest first."""
        return tuple(
            piece
            for _, piece in sorted(self._pieces.items())
            if piece.endpoint == endpoint and what_it_is(piece) == (kind, command)
        )

    def use_up(self, piece: Material) -> None:
        """Take out a piece that works no more."""
        self._pieces.pop(piece.number, None)
        self.used.add(piece.number)

    def clear(self) -> None:
        """Forget every piece."""
        self._pieces.clear()
        self._latest = frozenset()

    def summary(self) -> tuple[Entry, ...]:
        """Return what the Current Commands tab shows."""
        shown = [piece for _, piece in sorted(self._pieces.items())]
        if not self._world.obeys("IT-CMD-05"):  # each retrieval repaints the list from its own answer
            shown = [piece for piece in shown if piece.endpoint in self._latest]
        entries = (Entry(endpoint=piece.endpoint, command=_command_of(piece)) for piece in shown)
        return tuple(sorted(entries, key=lambda entry: (entry.endpoint, entry.command)))


def _command_of(piece: Material) -> Command:
    kind, command = what_it_is(piece)
    if command is not None:
        return command
    return Command.READ if kind is Kind.READING_KEY else Command.OPEN_SESSION
