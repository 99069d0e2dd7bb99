"""What is remembered of the invocation counters a meter has used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from adapters.devices.dlms_association import OpenAssociation
from adapters.devices.dlms_counters import HeardCounters


def association(heard: int, keys_taken: int = 0, client: str = "management") -> OpenAssociation:
    """An association as far as its counters go."""
    return cast(OpenAssociation, SimpleNamespace(client=client, heard=heard, keys_taken=keys_taken))


def test_heard_counters_of_ended_and_open_associations_bind_the_next() -> None:
    """The highest of all counts, whether its association is still open or not."""
    heard = HeardCounters()
    heard.ended(association(7))
    heard.ended(association(5))
    assert heard.lowest("management", []) == 7
    assert heard.lowest("management", [association(9), association(99, client="reading")]) == 9
    assert heard.lowest("reading", []) == 0


def test_heard_counters_start_anew_with_a_key() -> None:
    """An association opened under the key before tells nothing of the new one."""
    heard = HeardCounters()
    heard.ended(association(7))
    heard.key_taken("management")
    assert heard.keys_taken("management") == 1
    heard.ended(association(8))
    assert heard.lowest("management", [association(9)]) == 0
    heard.ended(association(3, keys_taken=1))
    assert heard.lowest("management", []) == 3
