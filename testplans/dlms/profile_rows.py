"""Whether a load profile is whole: over a day, across a power cut, across a clock that is set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.roles import DlmsMeter, PowerSource, ProfileRead
from harness.actions import procedure
from harness.quantities import Duration
from harness.records import Check
from harness.steps import Steps
from testplans.dlms import profile_words as words
from testplans.dlms.profile_picture import attach_profile

CLOCK_ADJUSTED, POWER_DOWN = words.CLOCK_ADJUSTED, words.POWER_DOWN
KEPT_ROWS = 8  # looked at again after a power cut
NEAR = timedelta(seconds=60)  # a row this close to a border is meant to be that border's
ON_THE_BORDER = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class ProfileFound:
    """What was found of a profile: rows, the borders that have none or more than one, rows off the grid."""

    rows: int
    missing: int
    doubled: int
    off_grid: int


@procedure("profile_over_time")
def profile_over_time(
    run: Steps,
    *,
    meter: DlmsMeter,
    object: str,
    column: str,
    duration: Duration,
    power_w: Decimal,
    client: str = "management",
    link: str = "",
    tolerance_percent: Decimal = Decimal("0.5"),
) -> ProfileFound:
    """Let a constant load run for ``duration`` and look at every interval of it.

    Each border of the period has exactly one row, on the border; each interval took what the load takes;
    every captured register, read before and after, agrees with its column. ``column`` is the energy that
    ``power_w`` makes.
    """
    with words.opened(meter, client, link) as association:
        zone_min = words.zone_of(meter, association)
        started = meter.read_clock(association=association).device_time
        before = meter.read_register(column, association=association).value
        period_s = words.number(meter, object, "capture_period", association)
    run.clock.sleep_s(duration)
    border = words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        ended = meter.read_clock(association=association).device_time
        expected = words.borders(started, border, period_s, zone_min)
        read = meter.read_profile(object, since=expected[0] - NEAR, until=ended, association=association)
        registers = {
            each.name: meter.read_register(each.name, association=association).value
            for each in read.columns
            if words.is_energy(each)
        }
        read_at = meter.read_clock(association=association).device_time
    found, suspect, checks = _completeness(read, expected)
    energies = words.decimals(read, column)
    usual_wh = power_w * period_s / 3600
    slack_wh = usual_wh * tolerance_percent / 100 + 1
    # The picture first: it is wanted most where a check fails.
    attach_profile(run, read, column, suspect=suspect, limits_wh=(usual_wh - slack_wh, usual_wh + slack_wh))
    run.report(*checks)
    run.check("rows come in the order of time", expected=sorted(words.times(read)), actual=words.times(read))
    run.check(
        "each interval takes what the load takes",
        expected=f"{usual_wh:.0f} Wh, give or take {slack_wh:.1f} Wh",
        actual=_odd_intervals(read, energies, usual_wh, slack_wh) or "so everywhere",
        passed=not _odd_intervals(read, energies, usual_wh, slack_wh),
    )
    _compare_registers(run, read, registers, read_at, tolerance_percent)
    run.check(
        "the first row is not older than the register was before",
        expected=f"between {before} and {before + usual_wh + slack_wh:.0f} Wh",
        actual=f"{energies[0]} Wh",
        passed=before <= energies[0] <= before + usual_wh + slack_wh,
        behaviours=("DLX-PROF-04",),
    )
    return found


def _compare_registers(
    run: Steps,
    read: ProfileRead,
    registers: dict[str, Decimal],
    read_at: datetime,
    tolerance_percent: Decimal,
) -> None:
    """Compare each register with its column: since the last row it gained as in the last interval."""
    newest = read.rows[-1].time
    part = Decimal(str((read_at - newest).total_seconds())) / read.period_s if newest else Decimal(0)
    for name, value in registers.items():
        rows = words.decimals(read, name)
        pace = rows[-1] - rows[-2] if len(rows) > 1 else Decimal(0)
        slack = abs(pace) * tolerance_percent / 100 + 1
        run.measure(
            f"{name} now, less the last row and what has flowed since",
            (value - rows[-1] - pace * part).quantize(Decimal("0.1")),
            next(each.unit for each in read.columns if each.name == name),
            low=-slack,
            high=slack,
            behaviours=("DLX-PROF-04",),
        )


def _completeness(
    read: ProfileRead, expected: list[datetime]
) -> tuple[ProfileFound, set[datetime], list[Check]]:
    """Return what was found, the times of rows that are not right, and the checks to be reported."""
    stamps = words.times(read)
    of_border = {border: [at for at in stamps if abs(at - border) <= NEAR] for border in expected}
    missing = [border for border, rows in of_border.items() if not rows]
    doubled = [border for border, rows in of_border.items() if len(rows) > 1]
    near = [at for rows in of_border.values() for at in rows]
    off = [at for border, rows in of_border.items() for at in rows if abs(at - border) > ON_THE_BORDER]
    strays = [at for at in stamps if at not in near]
    found = ProfileFound(
        rows=read.count, missing=len(missing), doubled=len(doubled), off_grid=len(off) + len(strays)
    )
    checks = [
        _count(name, moments, behaviour)
        for name, moments, behaviour in (
            ("borders without a row", missing, "DLX-PROF-02"),
            ("borders with more than one row", doubled, "DLX-PROF-03"),
            ("rows that stand beside their border", off + strays, "DLX-PROF-01"),
        )
    ]
    return found, {*doubled, *off, *strays}, checks


def _count(name: str, moments: list[datetime], behaviour: str) -> Check:
    return Check(
        name=name, passed=not moments, expected="0", actual=words.said(moments), behaviours=(behaviour,)
    )


def _odd_intervals(read: ProfileRead, energies: list[Decimal], usual_wh: Decimal, slack_wh: Decimal) -> str:
    odd = [
        f"{later - earlier} Wh up to {row.time:%d %H:%M}"
        for row, earlier, later in zip(read.rows[1:], energies, energies[1:], strict=False)
        if row.time is not None and abs(later - earlier - usual_wh) > slack_wh
    ]
    return "; ".join(odd[:4])


@dataclass(frozen=True, kw_only=True)
class GapFound:
    """The rows around something that happened to the meter."""

    rows: int
    absent: int  # borders without a row
    marked: int  # rows whose status tells what happened


@procedure("profile_across_power_cut", hurts=("energise",))
def profile_across_power_cut(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    object: str,
    column: str,
    off: Duration,
    start_up: Duration = 30.0,
    client: str = "management",
    link: str = "",
) -> GapFound:
    """Cut the supply for ``off``: no row for a border in between, and the next row says power down.

    A cut within one interval has no such border, and the row of that interval says power down. What the
    profile kept before is kept.
    """
    with words.opened(meter, client, link) as association:
        period_s = words.number(meter, object, "capture_period", association)
    words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        started = meter.read_clock(association=association).device_time
        kept = words.last_rows(meter, object, KEPT_ROWS, association)
    run.clock.sleep_s(period_s / 2)
    meter.drop_all_links()
    source.switch_off()
    try:
        run.clock.sleep_s(off)
    finally:
        source.switch_on()
    run.clock.sleep_s(start_up)
    with words.opened(meter, client, link) as association:
        back = meter.read_clock(association=association).device_time
    run.clock.sleep_s(period_s)
    border = words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        ended = border + timedelta(seconds=words.SETTLED_S)
        read = meter.read_profile(object, since=started, until=ended, association=association)
        still = meter.read_profile(object, since=kept.first, until=kept.last, association=association)
    attach_profile(run, read, column)
    lost = [row.time for row in kept.rows if row not in still.rows and row.time is not None]
    run.check("rows from before the cut that are gone or changed", expected="0", actual=words.said(lost))
    dark_from, dark_to = started + timedelta(seconds=period_s / 2), back - timedelta(seconds=start_up)
    dark = [each for each in words.borders(started, ended, period_s) if dark_from < each <= dark_to]
    bright = [each for each in words.borders(started, ended, period_s) if each not in dark]
    stamps = words.times(read)
    run.check(
        "no row for a border without supply",
        expected="0",
        actual=words.said([at for at in stamps if any(abs(at - each) <= NEAR for each in dark)]),
        behaviours=("DLX-PROF-06",),
    )
    run.check("a row for every other border", expected=words.said(bright), actual=words.said(_grid(stamps)))
    marked = [at for at in stamps if _status(read, at) & POWER_DOWN]
    run.check(
        "the row after the gap says power down, and no other does",
        expected=words.said(bright[:1] if not dark else [each for each in bright if each > dark[-1]][:1]),
        actual=words.said(_grid(marked)),
        behaviours=("DLX-PROF-05",),
    )
    return GapFound(rows=read.count, absent=len(dark), marked=len(marked))


@procedure("profile_across_clock_change", hurts=("configure",))
def profile_across_clock_change(
    run: Steps,
    *,
    meter: DlmsMeter,
    object: str,
    shift: Duration,
    back: bool = False,
    client: str = "management",
    link: str = "",
) -> GapFound:
    """Set the clock forward (or ``back``) by ``shift``, wait for the next border, set it right again.

    Forward: the borders that were jumped over have no row. Back: the borders come again and are captured
    again. Either way the next row says that the clock was adjusted, and nothing else; the one after that
    says nothing any more.
    """
    jump = timedelta(seconds=-shift if back else shift)
    with words.opened(meter, client, link) as association:
        period_s = words.number(meter, object, "capture_period", association)
    words.wait_for_border(run, meter, client, link, period_s)
    with words.opened(meter, client, link) as association:
        before = words.number(meter, object, "entries_in_use", association)
        old = meter.read_clock(association=association).device_time
        zone_min = words.zone_of(meter, association)
        words.set_clock(run, meter, association, old + jump, zone_min)
    try:
        border = words.wait_for_border(run, meter, client, link, period_s)
        with words.opened(meter, client, link) as association:
            new = words.number(meter, object, "entries_in_use", association) - before
            read = words.last_rows(meter, object, max(new, 1), association)
        words.wait_for_border(run, meter, client, link, period_s)
        with words.opened(meter, client, link) as association:
            later = words.last_rows(meter, object, 1, association)
    finally:
        with words.opened(meter, client, link) as association:
            words.set_clock(run, meter, association, run.clock.utc_now(), zone_min)
    which = ("DLX-PROF-09",) if back else ("DLX-PROF-08",)
    run.check(
        "one new row, at the first border of the new time",
        expected=words.said([border]),
        actual=words.said(_grid(words.times(read)) if new else []),
        behaviours=which,
    )
    marked = [row for row in read.rows if (row.status or 0) & CLOCK_ADJUSTED]
    run.check(
        "the new row says that the clock was adjusted",
        expected=1,
        actual=len(marked),
        behaviours=("DLX-PROF-07",),
    )
    run.check(
        "the new row does not say that the supply was gone",
        expected=False,
        actual=any((row.status or 0) & POWER_DOWN for row in read.rows),
    )
    run.check(
        "the row after that does not say that the clock was adjusted",
        expected=False,
        actual=any((row.status or 0) & CLOCK_ADJUSTED for row in later.rows),
        behaviours=("DLX-PROF-07",),
    )
    return GapFound(rows=new, absent=int(shift) // period_s, marked=len(marked))


def _grid(stamps: list[datetime]) -> list[datetime]:
    """Return stamps a second or less off as the minute they mean."""
    return [
        (at + timedelta(seconds=1)).replace(second=0, microsecond=0) if at.second in (0, 59) else at
        for at in stamps
    ]


def _status(read: ProfileRead, moment: datetime) -> int:
    return next((row.status or 0 for row in read.rows if row.time == moment), 0)
