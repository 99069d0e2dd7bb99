"""Tariffs of a meter: energy goes to the register of the tariff that the meter's own calendar says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.errors import RemoteProtocolError
from adapters.profiles.model import obis_text
from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.quantities import Duration
from harness.steps import Steps
from testplans.dlms import profile_words as words

CALENDAR, ACTIVE = "activity_calendar", "active_tariff"


@dataclass(frozen=True, kw_only=True)
class TariffsFound:
    """The switchings that were watched, as local time and tariff."""

    switchings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Day:
    """One day of the calendar: (seconds of the day, tariff), and the script table they are scripts of."""

    number: int
    switches: tuple[tuple[int, int], ...]
    script_table: str

    def texts(self) -> tuple[str, ...]:
        return tuple(f"{timedelta(seconds=at)!s:0>8}={tariff}" for at, tariff in self.switches)


def _today(meter: DlmsMeter, association: str, local: datetime) -> _Day:
    """Read the day table that the first week of the active calendar names for today."""
    weeks = meter.get(CALENDAR, "week_profile_table_active", association).value
    days = meter.get(CALENDAR, "day_profile_table_active", association).value
    try:
        number = weeks[0][local.isoweekday()]  # type: ignore[index]
        day = next(each for each in days if each[0] == number)  # type: ignore[attr-defined]
        actions = [(bytes.fromhex(at), table, int(script)) for at, table, script in day[1]]
        switches = sorted((at[0] * 3600 + at[1] * 60 + at[2], script) for at, _, script in actions)
        return _Day(
            number=int(number),
            switches=tuple(switches),
            script_table=obis_text(bytes.fromhex(actions[0][1])),
        )
    except (LookupError, TypeError, ValueError, StopIteration) as error:
        raise RemoteProtocolError(
            f"the active calendar cannot be read as one: {error}", clause="class 20"
        ) from None


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
            day = _today(meter, association, local)
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

    The new day switches to another tariff in ``lead``. The old day is activated again in the end.
    """
    with words.opened(meter, client, link) as association:
        zone = timedelta(minutes=words.zone_of(meter, association))
        local = meter.read_clock(association=association).device_time - zone
        day = _today(meter, association, local)
        tariff = words.number(meter, ACTIVE, "value", association)
        before = meter.get(CALENDAR, "day_profile_table_active", association).value
        switching = local + timedelta(seconds=lead)
        if switching.date() != local.date():
            run.inconclusive("midnight is too close for a switching of today")
        other = tariff % tariffs + 1
        new = ("00:00=" + str(tariff), f"{switching:%H:%M:%S}={other}")
        try:
            meter.set_passive_day(CALENDAR, day.number, new, day.script_table, association)
            unchanged = meter.get(CALENDAR, "day_profile_table_active", association).value
            run.check(
                "the active day before the activation",
                expected=before,
                actual=unchanged,
                behaviours=("DLX-TAR-04",),
            )
            meter.action(CALENDAR, "activate_passive_calendar", association=association)
            passive = meter.get(CALENDAR, "day_profile_table_passive", association).value
            active = meter.get(CALENDAR, "day_profile_table_active", association).value
            run.check(
                "the active day after the activation",
                expected=passive,
                actual=active,
                behaviours=("DLX-TAR-05",),
            )
            run.check(
                "the day has changed", expected=True, actual=active != before, behaviours=("DLX-TAR-05",)
            )
        except BaseException:
            _restore(meter, day, association)
            raise
    try:
        for name, wait_s, expected in (("before", lead - 10, tariff), ("after", 20, other)):
            run.clock.sleep_s(wait_s)
            with words.opened(meter, client, link) as association:
                now = words.number(meter, ACTIVE, "value", association)
            run.check(
                f"the tariff {name} the new switching",
                expected=expected,
                actual=now,
                behaviours=("DLX-TAR-05",),
            )
    finally:
        with words.opened(meter, client, link) as association:
            _restore(meter, day, association)
    return TariffsFound(switchings=new)


def _restore(meter: DlmsMeter, day: _Day, association: str) -> None:
    meter.set_passive_day(CALENDAR, day.number, day.texts(), day.script_table, association)
    meter.action(CALENDAR, "activate_passive_calendar", association=association)
