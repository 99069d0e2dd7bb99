"""The world: which behaviours there are, which are broken, and randomness that can be repeated."""

from __future__ import annotations

import pytest

from adapters.errors import BenchError
from virtual_rig.clock import VirtualClock
from virtual_rig.world import World, _obeyed_in, modelled_behaviours


def world(broken: str = "", seed: int = 1) -> World:
    return World(scheduler=VirtualClock(), seed=seed, broken=frozenset({broken} if broken else set()))


def test_modelled_behaviours_are_read_from_the_source() -> None:
    """All clients and parallel association policies are found without running anything."""
    found = modelled_behaviours()
    assert {f"DL-CLI-{n:02}" for n in range(1, 17)} | {f"DL-ASSOC-{n:02}" for n in range(1, 9)} <= found


def test_obeyed_in_finds_literals_only() -> None:
    """A call with anything but one literal declares nothing."""
    source = 'w.obeys("A-1") and self.world.obeys("A-2")\nobeys(name)\nw.obeys(name)\n"obeys(\'A-3\')"'
    assert {"A-1", "A-2"} == _obeyed_in(source)


def test_obeys_broken_id_is_false_and_others_stay_true() -> None:
    """Breaking one behaviour leaves the others obeyed; both are remembered as asked."""
    made = world("DL-CLI-02")
    assert not made.obeys("DL-CLI-02")
    assert made.obeys("DL-CLI-05")
    assert {"DL-CLI-02", "DL-CLI-05"} == made.asked


def test_obeys_unknown_id_is_an_error() -> None:
    """An id that coverage cannot see must not exist."""
    name = "DL-CLI-99"
    with pytest.raises(BenchError, match="DL-CLI-99"):
        world().obeys(name)


def test_world_breaking_an_unknown_id_names_a_near_one() -> None:
    """A mistyped behaviour is refused when the world is made."""
    with pytest.raises(BenchError, match=r"did you mean DL-CLI-\d\d\?"):
        world("DL-CLI-O2")


def test_random_for_is_repeatable_and_separate() -> None:
    """The same seed and name give the same draws; another name gives others."""
    draws = world(seed=5).random_for("meter").randbytes(8)
    assert draws == world(seed=5).random_for("meter").randbytes(8)
    assert draws != world(seed=5).random_for("other").randbytes(8)
    assert draws != world(seed=6).random_for("meter").randbytes(8)
