"""Tariffs of a meter: energy goes to the register of the tariff that the meter's own calendar says.

Who changes the calendar changes one weekday of a copy of the active one, so that seasons, weeks and days
that a meter has besides are never lost; afterwards both calendars are put back as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words

CALENDAR, ACTIVE = "activity_calendar", "active_tariff"
_MARGIN_S = 10


@dataclass(frozen=True, kw_only=True)
class TariffsFound:
    """The switchings that were watched, as local time and tariff."""

    switchings: tuple[str, ...]


@procedure("tariffs_switch")
def tariffs_switch(
    run: Steps,
    *,
    meter: DlmsMeter,
    power_w: Decimal,
    registers: tuple[str, ...],
    total: str,
    times: int = 2,
    after: Duration = 1800.0,
    client: str = "management",
    link: str = "",
) -> TariffsFound:
    """Watch the next ``times`` switchings of the calendar under a constant load.

    ``registers`` are those of tariff 1, 2 ...; each gains what flows while its tariff is in force and all
    of them together what the total gains.
    """
    watched = []
    for _ in range(times):
        with words.opened(meter, client, link) as association:
            zone = timedelta(minutes=words.zone_of(meter, association))
            began = meter.read_clock(association=association).device_time
            local = began - zone
            active = meter.read_calendar(CALENDAR, association=association)
            day = meter.calendar_day(active, local.date())
            tariff = words.number(meter, ACTIVE, "value", association)
            first = [meter.read_register(name, association=association).value for name in (*registers, total)]
        into_s = local.hour * 3600 + local.minute * 60 + local.second
        at_s, new = next(
            ((at, new) for at, new in day.switches if at > into_s),
            (day.switches[0][0] + 86400, day.switches[0][1]),
        )
        switching = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=at_s) + zone
        run.clock.sleep_s((switching - began).total_seconds() + after)
        with words.opened(meter, client, link) as association:
            ended = meter.read_clock(association=association).device_time
            last = [meter.read_register(name, association=association).value for name in (*registers, total)]
            now = words.number(meter, ACTIVE, "value", association)
        gains = [later - earlier for earlier, later in zip(first, last, strict=True)]
        run.check(
            "the tariff in force after the switching", expected=new, actual=now, behaviours=("DLX-TAR-03",)
        )
        for number, (name, gained) in enumerate(zip(registers, gains, strict=False), 1):
            share = (
                {tariff: switching - began, new: ended - switching} if tariff != new else {new: ended - began}
            )
            seconds = Decimal(str(share.get(number, timedelta(0)).total_seconds()))
            due = power_w * seconds / 3600
            slack = due / 200 + 3
            run.measure(
                f"{name} gained",
                gained,
                "Wh",
                low=due - slack,
                high=due + slack,
                behaviours=("DLX-TAR-01", "DLX-TAR-02", "DLX-TAR-03"),
            )
        run.measure(
            "all tariffs together, less the total",
            sum(gains[:-1], Decimal(0)) - gains[-1],
            "Wh",
            low=-len(registers),
            high=len(registers),
            behaviours=("DLX-TAR-01",),
        )
        watched.append(f"{switching - zone:%H:%M:%S} to tariff {new}")
    return TariffsFound(switchings=tuple(watched))


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """A switching of today that a calendar was given: when (local time), from which tariff to which."""

    at: datetime
    old: int
    new: int


@contextmanager
def _switching_today(
    run: Steps, meter: DlmsMeter, client: str, link: str, *, lead: float, tariffs: int
) -> Iterator[_Planned]:
    """Activate a calendar that switches to another tariff in ``lead``; put the old one back in the end.

    Today's weekday gets a day of its own. What is written passively must not show before the activation.
    """
    with words.opened(meter, client, link) as association:
        zone = timedelta(minutes=words.zone_of(meter, association))
        local = meter.read_clock(association=association).device_time - zone
        tariff = words.number(meter, ACTIVE, "value", association)
        switching = local + timedelta(seconds=lead)
        if switching.date() != local.date():
            run.inconclusive("midnight is too close for a switching of today")
        active = meter.read_calendar(CALENDAR, False, association)
        passive = meter.read_calendar(CALENDAR, True, association)
    other = tariff % tariffs + 1
    today = (f"00:00={tariff}", f"{switching:%H:%M:%S}={other}")
    table = meter.calendar_day(active, local.date()).script_table
    changed = meter.calendar_with_day(active, local.date(), today, table)
    try:
        with words.opened(meter, client, link) as association:
            meter.write_calendar(CALENDAR, changed, association)
            run.check(
                "what changed in the active calendar before the activation",
                expected="nothing",
                actual=meter.read_calendar(CALENDAR, False, association).differing(active),
                behaviours=("DLX-TAR-04",),
            )
            meter.action(CALENDAR, "activate_passive_calendar", association=association)
            run.check(
                "what of the written calendar is not active after the activation",
                expected="nothing",
                actual=meter.read_calendar(CALENDAR, False, association).differing(changed),
                behaviours=("DLX-TAR-05",),
            )
        yield _Planned(at=switching, old=tariff, new=other)
    finally:
        with words.opened(meter, client, link) as association:
            meter.write_calendar(CALENDAR, active, association)
            meter.action(CALENDAR, "activate_passive_calendar", association=association)
            meter.write_calendar(CALENDAR, passive, association)


@procedure("passive_calendar", hurts=("configure",))
def passive_calendar(
    run: Steps,
    *,
    meter: DlmsMeter,
    tariffs: int = 2,
    lead: Duration = 600.0,
    client: str = "management",
    link: str = "",
) -> TariffsFound:
    """Write another day into the passive calendar: nothing changes until it is activated, then it holds.

    The new day switches to another tariff in ``lead``. The old calendar is activated again in the end.
    """
    with _switching_today(run, meter, client, link, lead=lead, tariffs=tariffs) as planned:
        for name, wait_s, expected in (
            ("before", lead - _MARGIN_S, planned.old),
            ("after", 2.0 * _MARGIN_S, planned.new),
        ):
            run.clock.sleep_s(wait_s)
            with words.opened(meter, client, link) as association:
                now = words.number(meter, ACTIVE, "value", association)
            run.check(
                f"the tariff {name} the new switching",
                expected=expected,
                actual=now,
                behaviours=("DLX-TAR-05",),
            )
    return TariffsFound(switchings=(f"{planned.at:%H:%M:%S} to tariff {planned.new}",))


@procedure("tariff_across_power_cut", hurts=("configure", "energise"))
def tariff_across_power_cut(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    power_w: Decimal,
    registers: tuple[str, ...],
    total: str,
    tariffs: int = 2,
    lead: Duration = 600.0,
    off: Duration = 600.0,
    start_up: Duration = 30.0,
    client: str = "management",
    link: str = "",
) -> TariffsFound:
    """Take the supply away over a switching: the tariff is the new one afterwards, and no energy is lost.

    The constant load goes on right after the cut, so what flows from then on belongs to the new tariff.
    """
    names = (*registers, total)
    with _switching_today(run, meter, client, link, lead=lead, tariffs=tariffs) as planned:
        run.clock.sleep_s(lead - off / 2)
        with words.opened(meter, client, link) as association:
            first = [meter.read_register(name, association=association).value for name in names]
        meter.drop_all_links()
        source.switch_off()
        try:
            run.clock.sleep_s(off)
        finally:
            source.switch_on()
        run.clock.sleep_s(start_up + lead)
        with words.opened(meter, client, link) as association:
            now = words.number(meter, ACTIVE, "value", association)
            last = [meter.read_register(name, association=association).value for name in names]
    run.check(
        "the tariff in force after the supply came back",
        expected=planned.new,
        actual=now,
        behaviours=("DLX-TAR-06",),
    )
    due = power_w * Decimal(str(start_up + lead)) / 3600
    slack = due / 50 + 3  # opening an association takes its seconds, and a load its time to come up
    for number, name in enumerate(registers, 1):
        flows = due if number == planned.new else Decimal(0)
        run.measure(
            f"{name} gained across the cut",
            last[number - 1] - first[number - 1],
            "Wh",
            low=flows - slack,
            high=flows + slack,
            behaviours=("DLX-TAR-06",),
        )
    gains = [later - earlier for earlier, later in zip(first, last, strict=True)]
    run.measure(
        "all tariffs together, less the total, across the cut",
        sum(gains[:-1], Decimal(0)) - gains[-1],
        "Wh",
        low=-len(registers),
        high=len(registers),
        behaviours=("DLX-TAR-01",),
    )
    return TariffsFound(switchings=(f"{planned.at:%H:%M:%S} to tariff {planned.new}",))


@procedure("tariff_across_clock_change", hurts=("configure",))
def tariff_across_clock_change(
    run: Steps,
    *,
    meter: DlmsMeter,
    tariffs: int = 2,
    lead: Duration = 600.0,
    client: str = "management",
    link: str = "",
) -> TariffsFound:
    """Set the clock forward over a switching: the tariff is the new one at once, not at the next one."""
    with _switching_today(run, meter, client, link, lead=lead, tariffs=tariffs) as planned:
        with words.opened(meter, client, link) as association:
            zone_min = words.zone_of(meter, association)
            old = meter.read_clock(association=association).device_time
            words.set_clock(run, meter, association, old + timedelta(seconds=lead + _MARGIN_S), zone_min)
        try:
            run.clock.sleep_s(_MARGIN_S)
            with words.opened(meter, client, link) as association:
                now = words.number(meter, ACTIVE, "value", association)
        finally:
            with words.opened(meter, client, link) as association:
                words.set_clock(run, meter, association, run.clock.utc_now(), zone_min)
    run.check(
        "the tariff in force after the clock was set over its switching",
        expected=planned.new,
        actual=now,
        behaviours=("DLX-TAR-07",),
    )
    return TariffsFound(switchings=(f"{planned.at:%H:%M:%S} to tariff {planned.new}",))
