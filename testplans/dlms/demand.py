"""The rows of days, and demand: the average of a period, its maximum, and the end of a billing period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

_DAY_S = 86400


@dataclass(frozen=True, kw_only=True)
class DaysFound:
    """How many rows of days were looked at."""

    rows: int


@procedure("check_daily_rows")
def check_daily_rows(
    run: Steps, *, meter: DlmsMeter, object: str, reference: str, column: str, association: str
) -> DaysFound:
    """Compare the rows of days with the clock and with the finer profile ``reference``.

    The newest row is of the last midnight of the meter's local time, there is one for each day before, and
    the value of a day is that of the finer profile at that midnight. A full profile has let its oldest go.
    """
    zone_min = words.zone_of(meter, association)
    now = meter.read_clock(association=association).device_time
    midnight = words.next_border(now, _DAY_S, zone_min) - timedelta(days=1)
    in_use = words.number(meter, object, "entries_in_use", association)
    capacity = words.number(meter, object, "profile_entries", association)
    days = meter.read_profile(object, association=association)
    run.check("as many rows as are in use", expected=in_use, actual=days.count)
    run.check("no more rows than the profile has room for", expected=True, actual=in_use <= capacity)
    expected = [midnight - timedelta(days=back) for back in range(days.count - 1, -1, -1)]
    odd = [at for at, wanted in zip(words.times(days), expected, strict=False) if at != wanted]
    run.check(
        "the newest row is of the last local midnight",
        expected=midnight,
        actual=days.last,
        behaviours=("DLX-PROF-17",),
    )
    run.check(
        "one row a day, the oldest given way first",
        expected="0 others",
        actual=f"{words.said(odd)} others",
        passed=not odd,
        behaviours=("DLX-PROF-16",),
    )
    finer = meter.read_profile(reference, since=midnight, until=midnight, association=association)
    run.check(
        f"{column} of that midnight, as {reference} has it",
        expected=[str(value) for value in finer.column(column)],
        actual=[str(days.column(column)[-1])],
        behaviours=("DLX-PROF-04",),
    )
    return DaysFound(rows=days.count)


@dataclass(frozen=True, kw_only=True)
class DemandFound:
    """Averages of a period under full load and of one with load in its first half, and the maximum."""

    full_w: Decimal
    half_w: Decimal
    maximum_w: Decimal


@procedure("demand_over_periods", hurts=("energise", "configure"))
def demand_over_periods(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    voltage_v: Decimal,
    current_a: Decimal,
    client: str = "management",
    link: str = "",
    tolerance_percent: Decimal = Decimal(1),
) -> DemandFound:
    """Load one period whole and the next by half; then end the billing period.

    The average is the energy of the period over its length; the maximum is that of the first period, with
    the time of its end; the reset of the maximum register leaves nothing of it.
    """
    power_w = voltage_v * current_a * 3
    slack_w = power_w * tolerance_percent / 100
    with words.opened(meter, client, link) as association:
        period_s = words.number(meter, "demand_import", "period", association)
    source.apply(voltage_v, Decimal(0))
    words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        meter.action("max_demand_import", "reset", association=association)
    source.apply(voltage_v, current_a)
    words.wait_for_border(run, meter, client, link, period_s)  # a period of less than full load
    first_end = words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        full_w = Decimal(words.number(meter, "demand_import", "last_average_value", association))
    run.clock.sleep_s(period_s / 2 - words.SETTLED_S)
    source.apply(voltage_v, Decimal(0))
    words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        half_w = Decimal(words.number(meter, "demand_import", "last_average_value", association))
        maximum = meter.read_register("max_demand_import", association=association)
        shown = str(meter.get("max_demand_import", "capture_time", association).value)
    run.measure("average under full load", full_w, "W", low=power_w - slack_w, high=power_w + slack_w)
    run.measure(
        "average with load in half of the period",
        half_w,
        "W",
        low=power_w / 2 - slack_w,
        high=power_w / 2 + slack_w,
        behaviours=("DLX-PROF-19",),
    )
    run.measure("maximum", maximum.value, "W", low=full_w, high=full_w, behaviours=("DLX-PROF-18",))
    run.check(
        "the maximum has the time of its period's end",
        expected=first_end.isoformat(),
        actual=_moment(shown, first_end),
        behaviours=("DLX-PROF-18",),
    )
    with words.opened(meter, client, link) as association:
        meter.action("max_demand_import", "reset", association=association)
        left = meter.read_register("max_demand_import", association=association)
    run.measure("maximum after the reset", left.value, "W", low=0, high=0, behaviours=("DLX-PROF-20",))
    return DemandFound(full_w=full_w, half_w=half_w, maximum_w=maximum.value)


def _moment(shown: str, like: datetime) -> str:
    """Return twelve octets in hexadecimal as a moment written like the expected one."""
    octets = bytes.fromhex(shown)
    deviation_min = int.from_bytes(octets[9:11], "big", signed=True)
    local = datetime(
        int.from_bytes(octets[:2], "big"),
        octets[2],
        octets[3],
        octets[5],
        octets[6],
        octets[7],
        tzinfo=like.tzinfo,
    )
    return (local + timedelta(minutes=deviation_min)).isoformat()


@procedure("wait_for_midnight")
def wait_for_midnight(run: Steps, *, meter: DlmsMeter, client: str = "management", link: str = "") -> None:
    """Wait until the meter's local day has changed."""
    with words.opened(meter, client, link) as association:
        zone_min = words.zone_of(meter, association)
    words.wait_for_border(run, meter, client, link, _DAY_S, zone_min)
