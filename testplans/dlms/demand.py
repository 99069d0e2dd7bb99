"""The rows of days, and demand: the average of a period, its maximum, and the end of a billing period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource, ProfileRead
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words
from testplans.dlms.profile_whole import unexplained

_DAY_S = 86400
COMPARED_DAYS = 3  # with the finer profile, as far as that reaches


@dataclass(frozen=True, kw_only=True)
class DaysFound:
    """How many rows of days were looked at."""

    rows: int


@procedure("check_daily_rows")
def check_daily_rows(
    run: Steps,
    *,
    meter: DlmsMeter,
    object: str,
    reference: str,
    association: str,
    before: int = -1,
    newest: str = "",
    interrupted: bool = False,
) -> DaysFound:
    """Compare the rows of days with the clock and with the finer profile ``reference``.

    The newest row is of the last midnight of the meter's local time, there is one for each day before that
    had its supply, and the values of a day are those of the finer profile at that midnight. There is one
    row more than the ``before`` of the day before, after the one that was the newest then (``newest``); a
    full profile has let its oldest go for it, and no other. Where the day was ``interrupted``, its row says
    power down.
    """
    zone_min = words.zone_of(meter, association)
    now = meter.read_clock(association=association).device_time
    midnight = words.next_border(now, _DAY_S, zone_min) - timedelta(days=1)
    in_use = words.number(meter, object, "entries_in_use", association)
    capacity = words.number(meter, object, "profile_entries", association)
    days = meter.read_profile(object, association=association)
    run.check("as many rows as are in use", expected=in_use, actual=days.count)
    run.check("no more rows than the profile has room for", expected=True, actual=in_use <= capacity)
    if before >= 0:
        run.check(
            "rows after midnight",
            expected=min(before + 1, capacity),
            actual=in_use,
            behaviours=("DLX-PROF-16",),
        )
    if newest:
        run.check(
            "the row before the newest one is the newest of the day before",
            expected=newest,
            actual=_told(days.rows[-2].time if days.count > 1 else None),
            behaviours=("DLX-PROF-16",),
        )
    odd = list(unexplained(days.rows, _DAY_S))
    run.check(
        "the newest row is of the last local midnight",
        expected=midnight,
        actual=days.last,
        behaviours=("DLX-PROF-17",),
    )
    run.check(
        "rows that are not of the day after the row before, and do not say why",
        expected="none",
        actual="; ".join(odd[:4]) or "none",
        behaviours=("DLX-PROF-16",),
    )
    if interrupted and days.rows:
        status = days.rows[-1].status
        run.check(
            "the row of a day with a supply interruption says power down",
            expected=f"0x{words.POWER_DOWN:02x} in the status",
            actual="no status" if status is None else f"0x{status:02x}",
            passed=bool((status or 0) & words.POWER_DOWN),
            behaviours=("DLX-PROF-05",),
        )
    compared = sum(
        _compare_day(run, meter, days, at, reference, association) for at in range(-COMPARED_DAYS, 0)
    )
    run.check(f"a row of {reference} at one of these midnights", expected=True, actual=compared > 0)
    return DaysFound(rows=days.count)


def _told(time: datetime | None) -> str:
    return time.isoformat() if time is not None else ""


def _compare_day(
    run: Steps, meter: DlmsMeter, days: ProfileRead, at: int, reference: str, association: str
) -> bool:
    """Compare one row with that of the finer profile at its midnight; return whether there is one.

    What flows while two profiles capture one after the other may be a digit of the register.
    """
    midnight = days.rows[at].time if -at <= days.count else None
    if midnight is None:
        return False
    finer = meter.read_profile(reference, since=midnight, until=midnight, association=association)
    if not finer.count:
        return False
    for column in days.columns:
        if not words.is_energy(column) or column.name not in [each.name for each in finer.columns]:
            continue
        value, same = words.decimals(days, column.name)[at], words.decimals(finer, column.name)[-1]
        digit = Decimal(1).scaleb(column.scaler)
        run.measure(
            f"{column.name} of {midnight:%d %H:%M}, beside {reference}",
            value,
            column.unit,
            low=same - digit,
            high=same + digit,
            behaviours=("DLX-PROF-04",),
        )
    return True


@dataclass(frozen=True, kw_only=True)
class DemandFound:
    """Averages of a period under full load and of one with load in its first half, and the maximum."""

    running_w: Decimal  # half-way through the second period
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
    off: Duration = 60.0,
    start_up: Duration = 30.0,
    tolerance_percent: Decimal = Decimal(1),
) -> DemandFound:
    """Load one period whole and the next by half, cut the supply, and reset the maximum.

    The average is the energy of the period over its length, and rises towards it meanwhile; the maximum is
    that of the first period, with the time of its end, also after a supply interruption; the reset of the
    maximum register leaves nothing of it.
    """
    power_w = voltage_v * current_a * 3
    slack_w = power_w * tolerance_percent / 100
    with words.opened(meter, client, link) as association:
        period_s = words.number(meter, "demand_import", "period", association)
        if words.number(meter, "demand_import", "number_of_periods", association) != 1:
            run.inconclusive("the demand slides over several periods; what is checked here is that of one")
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
    running_w = _half_way(run, meter, client, link, first_end, power_w, period_s, slack_w)
    source.apply(voltage_v, Decimal(0))
    second_end = words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        half_w = Decimal(words.number(meter, "demand_import", "last_average_value", association))
        maximum = meter.read_register("max_demand_import", association=association)
        shown = _time(meter, "max_demand_import", "capture_time", association)
        captured = _time(meter, "demand_import", "capture_time", association)
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
        expected=first_end,
        actual=shown,
        behaviours=("DLX-PROF-18",),
    )
    run.check(
        "the last average has the time of its period's end",
        expected=second_end,
        actual=captured,
        behaviours=("DLX-PROF-19",),
    )
    meter.drop_all_links()
    source.switch_off()
    run.clock.sleep_s(off)
    source.switch_on()
    run.clock.sleep_s(start_up)
    with words.opened(meter, client, link) as association:
        kept = meter.read_register("max_demand_import", association=association)
        kept_at = _time(meter, "max_demand_import", "capture_time", association)
    run.check(
        "the maximum and its time after a supply interruption",
        expected=f"{maximum.value} W of {first_end}",
        actual=f"{kept.value} W of {kept_at}",
        behaviours=("DLX-PROF-18",),
    )
    with words.opened(meter, client, link) as association:
        meter.action("max_demand_import", "reset", association=association)
        left = meter.read_register("max_demand_import", association=association)
    run.measure("maximum after the reset", left.value, "W", low=0, high=0, behaviours=("DLX-PROF-20",))
    return DemandFound(running_w=running_w, full_w=full_w, half_w=half_w, maximum_w=maximum.value)


def _half_way(
    run: Steps,
    meter: DlmsMeter,
    client: str,
    link: str,
    began: datetime,
    power_w: Decimal,
    period_s: int,
    slack_w: Decimal,
) -> Decimal:
    """Look at the average that is not finished: the energy so far, over the length of the whole period."""
    with words.opened(meter, client, link) as association:
        running_w = Decimal(words.number(meter, "demand_import", "current_average_value", association))
        now = meter.read_clock(association=association).device_time
        start = _time(meter, "demand_import", "start_time_current", association)
    due_w = power_w * Decimal(str((now - began).total_seconds())) / period_s
    run.measure(
        "average so far, half-way through a period",
        running_w,
        "W",
        low=(due_w - slack_w).quantize(Decimal("0.1")),
        high=(due_w + slack_w).quantize(Decimal("0.1")),
        behaviours=("DLX-PROF-19",),
    )
    run.check("the period began at its border", expected=began, actual=start, behaviours=("DLX-PROF-19",))
    return running_w


def _time(meter: DlmsMeter, object: str, attribute: str, association: str) -> datetime:
    zone_min = words.zone_of(meter, association)
    return words.moment(str(meter.get(object, attribute, association).value), zone_min)


@dataclass(frozen=True, kw_only=True)
class DayBefore:
    """How many rows a profile had on the day that has passed, and the time of the newest."""

    in_use: int
    newest: str


@procedure("wait_for_midnight")
def wait_for_midnight(
    run: Steps, *, meter: DlmsMeter, object: str, client: str = "management", link: str = ""
) -> DayBefore:
    """Wait until the meter's local day has changed; return what ``object`` had before."""
    with words.opened(meter, client, link) as association:
        zone_min = words.zone_of(meter, association)
        in_use = words.number(meter, object, "entries_in_use", association)
        newest = words.last_rows(meter, object, 1, association).last if in_use else None
    words.wait_for_border(run, meter, client, link, _DAY_S, zone_min)
    return DayBefore(in_use=in_use, newest=_told(newest))
