"""A result of which not every field could be seen: it works as far as nobody needs the rest.

A screen shows less than an interface does. What it does not show must neither be made up (a default would
then be judged as if the device had said it) nor spoil the step where the plan does not ask for it. So such a
field raises NotSeen when somebody looks at it, and the case is then inconclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from adapters.devices.operator.answers import UNSEEN
from adapters.devices.operator.shape import MISSING
from adapters.errors import NotSeen


def as_far_as_seen(record: Any, values: Mapping[str, object]) -> object:
    """Return a ``record`` of ``values``, of which those that are UNSEEN cannot be looked at."""
    unseen = tuple(sorted(name for name, value in values.items() if value is UNSEEN))
    made = _partial(record, unseen) if unseen else record
    return made(**{name: value for name, value in values.items() if value is not MISSING})


@cache
def _partial(record: type, unseen: tuple[str, ...]) -> type:
    """Return a class like ``record`` whose fields ``unseen`` raise NotSeen."""

    def look(self: object, name: str) -> Any:
        if name in unseen:
            raise NotSeen(f"{record.__name__}: {name.replace('_', ' ')} is not shown to the operator")
        return object.__getattribute__(self, name)

    def describe(self: object) -> str:
        return f"{record.__name__}(not shown: {', '.join(unseen)})"

    return type(record.__name__, (record,), {"__getattribute__": look, "__repr__": describe})
