"""The end of a billing period: the row it takes, and the maximum that starts anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource, ProfileRead
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

MAXIMUM, AT = "max_demand_import", "max_demand_import.capture_time"
_SOON = timedelta(seconds=10)
_APART_S = 5.0  # two captures
_NEAR = timedelta(seconds=_APART_S / 2)


@dataclass(frozen=True, kw_only=True)
class RowTaken:
    """How many rows there were before and after."""

    before: int
    after: int


@procedure("end_of_billing", hurts=("energise", "disconnect"))
def end_of_billing(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    voltage_v: Decimal,
    current_a: Decimal,
    object: str = "billing_profile",
    script: str = "billing_script",
    number: int = 1,
    client: str = "management",
    link: str = "",
) -> RowTaken:
    """Load the meter for a period of demand, then run the script that ends the billing period.

    The new row has the registers of that moment and the maximum of the period that ended, with its time;
    afterwards the maximum is zero.
    """
    with words.opened(meter, client, link) as association:
        period_s = words.number(meter, "demand_import", "period", association)
    source.apply(voltage_v, current_a)
    words.wait_for_border(run, meter, client, link, period_s)
    words.wait_for_border(run, meter, client, link, period_s)
    source.apply(voltage_v, Decimal(0))  # the registers stand still from here on
    with words.opened(meter, client, link) as association:
        before = words.number(meter, object, "entries_in_use", association)
        maximum = meter.read_register(MAXIMUM, association=association).value
        if not maximum:
            run.inconclusive("there is no maximum demand after a period of load")
        shown = str(meter.get(MAXIMUM, "capture_time", association).value)
        zone_min = words.zone_of(meter, association)
        energy = meter.read_register("energy_import", association=association).value
        now = meter.read_clock(association=association).device_time
        meter.action(script, "execute", f"long-unsigned:{number}", association=association)
        after = words.number(meter, object, "entries_in_use", association)
        newest = words.last_rows(meter, object, 1, association) if after else None
        left = meter.read_register(MAXIMUM, association=association).value
    run.check(
        "rows that the end of the period took", expected=1, actual=after - before, behaviours=("DLX-PROF-21",)
    )
    captured = [each.name for each in newest.columns] if newest is not None and newest.count else []
    run.check(
        "what the row has of the maximum",
        expected=f"{MAXIMUM}, {AT}",
        actual=", ".join(name for name in (MAXIMUM, AT) if name in captured) or "nothing",
        behaviours=("DLX-PROF-21",),
    )
    if newest is not None and AT in captured:
        _compare(run, newest, {"energy_import": energy, MAXIMUM: maximum})
        stamp = newest.column(AT)[0]
        run.check(
            "the row has the time of the maximum",
            expected=words.moment(shown, zone_min),
            actual=stamp,
            behaviours=("DLX-PROF-21",),
        )
        run.check(
            "the row is of the moment the period ended",
            expected=now,
            actual=newest.last,
            passed=newest.last is not None and abs(newest.last - now) <= _SOON,
            behaviours=("DLX-PROF-21",),
        )
    run.measure(
        "maximum at the begin of the new period", left, "W", low=0, high=0, behaviours=("DLX-PROF-21",)
    )
    return RowTaken(before=before, after=after)


def _compare(run: Steps, newest: ProfileRead, held: dict[str, Decimal]) -> None:
    for name, value in held.items():
        run.check(
            f"{name} in the row, as it was right before",
            expected=str(value),
            actual=str(newest.column(name)[0]),
            behaviours=("DLX-PROF-21",),
        )


@procedure("capture_and_reset", hurts=("configure",))
def capture_and_reset(
    run: Steps, *, meter: DlmsMeter, object: str, association: str, most: int = 100
) -> RowTaken:
    """Let a profile take rows until it is full and two more, then forget all of them.

    Whoever runs this wants the rows gone. A profile with room for more than ``most`` rows is not filled.
    """
    before = words.number(meter, object, "entries_in_use", association)
    room = words.number(meter, object, "profile_entries", association)
    due = words.times(meter.read_profile(object, association=association))
    odd = []
    for number in range(1, (room - before + 2 if 0 < room <= most else 1) + 1):
        due.append(meter.read_clock(association=association).device_time)
        meter.action(object, "capture", "integer:0", association=association)
        captured = words.number(meter, object, "entries_in_use", association)
        if captured != min(before + number, room or before + number):
            odd.append(f"{captured} rows after capture {number}, {before} before the first")
        run.clock.sleep_s(_APART_S)
    run.check(
        "each capture takes a row, as long as there is room",
        expected="so each time",
        actual="; ".join(odd[:4]) or "so each time",
        behaviours=("DLX-PROF-22", "DLX-PROF-16"),
    )
    kept = words.times(meter.read_profile(object, association=association))
    newest = due[-room:]
    run.check(
        "the rows are of the moments of the captures, the oldest given way",
        expected=words.said(newest),
        actual=words.said(kept),
        passed=len(kept) == len(newest)
        and all(abs(at - moment) < _NEAR for at, moment in zip(kept, newest, strict=True)),
        behaviours=("DLX-PROF-22", "DLX-PROF-16"),
    )
    meter.action(object, "reset", "integer:0", association=association)
    left = words.number(meter, object, "entries_in_use", association)
    rows = meter.read_profile(object, association=association).count
    run.check("rows in use after a reset", expected=0, actual=left, behaviours=("DLX-PROF-23",))
    run.check("rows in the buffer after a reset", expected=0, actual=rows, behaviours=("DLX-PROF-23",))
    return RowTaken(before=before, after=left)
