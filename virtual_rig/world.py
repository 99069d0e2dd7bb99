"""The world a virtual site lives in: time, seed, faults and the behaviours broken on purpose.

A model asks ``world.obeys("DL-CLI-02")`` on the very line that implements a behaviour, and does the wrong
thing where the answer is no. The list of modelled behaviours is not kept anywhere: it is read from the
source of this package, so a behaviour is modelled exactly when some line asks for it.
"""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from adapters.errors import BenchError
from virtual_rig.wire import Scheduler


class World:
    """Owns what every model of a site shares.

    ``broken`` are behaviour ids that the site disobeys; ``asked`` collects those that a line has asked for.
    Raises BenchError for an id that no line of the rig implements.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        seed: int = 0,
        broken: frozenset[str] = frozenset(),
        faults: Mapping[str, str] | None = None,
    ) -> None:
        for behaviour in sorted(broken - modelled_behaviours()):
            near = difflib.get_close_matches(behaviour, sorted(modelled_behaviours()), 1)
            raise BenchError(
                f"the virtual rig does not model behaviour {behaviour!r}, so it cannot be broken"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        self.scheduler = scheduler
        self.seed = seed
        self.random = random.Random(seed)
        self.broken = broken
        self.faults: Mapping[str, str] = dict(faults or {})
        self.asked: set[str] = set()

    def obeys(self, behaviour: str) -> bool:
        """Return whether the site behaves as ``behaviour`` says; False where it is broken on purpose.

        Raises BenchError for an id that is not written as a literal in the rig's source: a behaviour
        that coverage cannot see must not exist.
        """
        if behaviour not in self.asked:
            if behaviour not in modelled_behaviours():
                raise BenchError(f"{behaviour!r} is not declared by any obeys(...) literal of the rig")
            self.asked.add(behaviour)
        return behaviour not in self.broken

    def random_for(self, name: str) -> random.Random:
        """Return a generator of its own for ``name``, so that one model's draws do not shift another's."""
        return random.Random(f"{self.seed}/{name}")


@cache
def modelled_behaviours() -> frozenset[str]:
    """Return the ids that some ``obeys("...")`` call in this package's source asks for."""
    found: set[str] = set()
    for path in Path(__file__).parent.rglob("*.py"):
        found |= _obeyed_in(path.read_text(encoding="utf-8"))
    return frozenset(found)


def _obeyed_in(source: str) -> set[str]:
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "obeys"
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
