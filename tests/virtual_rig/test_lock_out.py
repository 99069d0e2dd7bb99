"""The lock-out after wrong passwords, alone and in the meter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.profiles.model import LockOutRules
from virtual_rig.clock import VirtualClock
from virtual_rig.meters.lock_out import LockOut
from virtual_rig.world import World

RULES = LockOutRules(attempts=3, duration_s=600, assumed=True)


@pytest.fixture
def rig() -> Iterator[VirtualClock]:
    """A clock whose time moves by sleeping."""
    clock = VirtualClock()
    yield clock
    clock.close()


def failing(lock: LockOut, client: str, times: int) -> None:
    """Fail so many times in a row."""
    for _ in range(times):
        lock.failed(client)


def test_lock_out_begins_with_the_last_attempt_and_ends_on_time(rig: VirtualClock) -> None:
    """Two wrong ones are forgiven, the third locks for exactly the profile's duration."""
    lock = LockOut(World(scheduler=rig), RULES)
    failing(lock, "management", 2)
    assert not lock.locked("management")
    failing(lock, "management", 1)
    assert lock.locked("management")
    assert not lock.locked("reading")
    rig.sleep_s(599.9)
    assert lock.locked("management")
    rig.sleep_s(0.2)
    assert not lock.locked("management")


def test_lock_out_counts_in_a_row_only(rig: VirtualClock) -> None:
    """The right password between two wrong ones begins the count anew."""
    lock = LockOut(World(scheduler=rig), RULES)
    failing(lock, "management", 2)
    lock.succeeded("management")
    failing(lock, "management", 2)
    assert not lock.locked("management")


def test_lock_out_without_rules_never_locks(rig: VirtualClock) -> None:
    """A profile that names none has none."""
    lock = LockOut(World(scheduler=rig), None)
    failing(lock, "management", 100)
    assert not lock.locked("management")
