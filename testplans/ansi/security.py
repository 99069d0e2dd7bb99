"""Password levels and the lock-out of an ANSI meter."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import Refused
from adapters.roles import AnsiMeter, ProcedureDone, SessionFlaw, TableRead
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps


@procedure("read_at_level")
def read_at_level(run: Steps, *, meter: AnsiMeter, table: str, level: str = "") -> TableRead:
    """Open a session at ``level`` (empty: without any password) and read a table in it."""
    flaw: SessionFlaw = "" if level else "no-security"
    meter.open_session(level=level, flaw=flaw)
    try:
        return meter.read_table(table)
    finally:
        meter.end_session()


@procedure("run_at_level", hurts=("configure",))
def run_at_level(
    run: Steps, *, meter: AnsiMeter, procedure: str, level: str, arguments: str = ""
) -> ProcedureDone:
    """Open a session at ``level`` and run a procedure in it."""
    meter.open_session(level=level)
    try:
        return meter.run_procedure(procedure, arguments)
    finally:
        meter.end_session()


@dataclass(frozen=True, kw_only=True)
class LockedOut:
    """What a meter did about wrong passwords in a row, and about the right one behind them."""

    wrong_refused: int
    right_refused: bool  # while it was locked
    right_taken: bool  # after ``locked_for``
    other_level_taken: bool  # the meter is not damaged for good


@procedure("lock_out", hurts=("configure",))
def lock_out(
    run: Steps,
    *,
    meter: AnsiMeter,
    level: str,
    other_level: str,
    attempts: int,
    locked_for: Duration,
    margin: Duration = 2.0,
) -> LockedOut:
    """Give ``attempts`` wrong passwords in a row, then the right one; wait ``locked_for`` and try again.

    Nobody can open the meter meanwhile, its head end included. The last attempt is followed by the right
    password at once, and again ``margin`` before and after the lock-out should end.
    """
    refused = 0
    for number in range(1, attempts + 1):
        with run.step(f"wrong password {number} of {attempts}"):
            refused += not _taken(meter, level, "wrong-password")
    locked_s = run.clock.monotonic_s()
    with run.step("right password at once"):
        early = _taken(meter, level)
    run.clock.sleep_s(max(0.0, locked_s + locked_for - margin - run.clock.monotonic_s()))
    with run.step("right password just before the end"):
        early = _taken(meter, level) or early
    run.clock.sleep_s(max(0.0, locked_s + locked_for + margin - run.clock.monotonic_s()))
    with run.step("right password after the end"):
        late = _taken(meter, level)
    with run.step("password of another level"):
        other = _taken(meter, other_level)
    return LockedOut(
        wrong_refused=refused, right_refused=not early, right_taken=late, other_level_taken=other
    )


def _taken(meter: AnsiMeter, level: str, flaw: SessionFlaw = "") -> bool:
    try:
        meter.open_session(level=level, flaw=flaw)
    except Refused:
        return False
    finally:
        meter.end_session()
    return True
