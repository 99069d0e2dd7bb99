"""When a DLMS meter pushes: retries, start interval, windows, the scheduler, the return of the supply."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from adapters.roles import DlmsMeter, PowerSource, PushReceiver
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.push_steps import (
    ASSOCIATION,
    QUIET_S,
    SETUPS,
    TOLERANCE_S,
    PushesSeen,
    after,
    asked_for,
    associated,
    clocks_of,
    compare_now,
    compare_times,
    daily,
    local_time,
    near,
    near_if_told,
    utc,
)

_OVER_S = 60.0  # how long a closed window is watched


@procedure("push_retries", hurts=("configure",))
def push_retries(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, retries: int, delay_s: int
) -> PushesSeen:
    """Let nobody listen but for one retry, each in its turn: all come in time, and none after the last."""
    address = receiver.address().address

    def begin() -> float:
        receiver.stop_listening()
        with associated(meter, link):
            meter.configure_push(
                setup, address, retries=retries, repetition_delay_s=delay_s, association=ASSOCIATION
            )
            meter.action(setup, "push", association=ASSOCIATION)
            return run.clock.monotonic_s()

    deaf_s = min(2.0 * TOLERANCE_S, delay_s / 2)  # after an attempt, which is to find nobody
    for number in range(1, retries + 1):
        began_s = begin()
        run.clock.sleep_s((number - 1) * delay_s + deaf_s)
        receiver.wait_for_push(2.0 * delay_s)
        after(run, f"retry {number}", began_s, number * delay_s)
        more = receiver.no_push_for(delay_s * (retries - number + 1.0)).count
        run.check("pushes after one that was taken", expected=0, actual=more)
    begin()
    run.clock.sleep_s(delay_s * retries + deaf_s)
    late = receiver.no_push_for(delay_s * (retries + 2)).count
    run.check("attempts after the last retry", expected=0, actual=late)
    with associated(meter, link):
        read = meter.read_push_setup(setup, ASSOCIATION)
    set_up = (read.retries, read.repetition_delay_s)
    run.check("retries and delay of the setup afterwards", expected=(retries, delay_s), actual=set_up)
    return PushesSeen(pushes=retries, counter=0)


@procedure("push_given_up", hurts=("configure",))
def push_given_up(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, delay_s: int, event: int
) -> PushesSeen:
    """A push nobody takes leaves one entry, ``event``, in the communication log, when it is given up.

    The next push is tried as ever, and leaves none when it is taken.
    """
    address = receiver.address().address
    receiver.stop_listening()
    with associated(meter, link):
        known = _entries(meter, event)
        meter.configure_push(setup, address, retries=1, repetition_delay_s=delay_s, association=ASSOCIATION)
        meter.action(setup, "push", association=ASSOCIATION)
        soon = _entries(meter, event) - known
        run.check("new entries before the last retry", expected=0, actual=soon.total())
        run.clock.sleep_s(delay_s + TOLERANCE_S)
        new = _entries(meter, event) - known
        run.check("new entries", expected=1, actual=new.total())
    receiver.address()
    next_push = asked_for(meter, receiver, link, setup)
    run.check("setup pushed after one was given up", expected=setup, actual=next_push.setup)
    with associated(meter, link):
        new = _entries(meter, event) - known
        run.check("new entries after a push that was taken", expected=1, actual=new.total())
    return PushesSeen(pushes=1, counter=next_push.invocation_counter or 0)


@procedure("push_randomised", hurts=("configure",))
def push_randomised(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    setup: str,
    interval_s: int,
    times: int = 6,
) -> PushesSeen:
    """Push several times with a start interval: never later than it, and not all at the same moment."""
    address, delays = receiver.address().address, []
    with associated(meter, link):
        meter.configure_push(setup, address, randomisation_s=interval_s, association=ASSOCIATION)
        for _ in range(times):
            meter.action(setup, "push", association=ASSOCIATION)
            asked_s = run.clock.monotonic_s()
            receiver.wait_for_push(3.0 * interval_s)
            delay_s = round(run.clock.monotonic_s() - asked_s, 3)
            run.measure("start after the request", delay_s, "s", low=0, high=interval_s + TOLERANCE_S)
            delays.append(delay_s)
    spread_s = round(max(delays) - min(delays), 3)
    run.measure("spread of the starts", spread_s, "s", low=interval_s / 20)
    return PushesSeen(pushes=times, counter=0)


@procedure("push_randomised_at_power_up", hurts=("configure", "energise"))
def push_randomised_at_power_up(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    receiver: PushReceiver,
    link: str,
    interval_s: int,
    off_s: int,
    boot_s: int,
    times: int = 6,
) -> PushesSeen:
    """Cut the supply several times: the push at its return comes at a random moment of the start interval.

    It is here that the interval matters: after a black-out a whole town of meters comes back together.
    """
    address, delays = receiver.address().address, []
    with associated(meter, link):
        meter.configure_push(
            "push_connectivity", address, randomisation_s=interval_s, association=ASSOCIATION
        )
    meter.drop_all_links()
    for _ in range(times):
        source.switch_off()
        try:
            run.clock.sleep_s(off_s)
        finally:
            source.switch_on()
        back_s = run.clock.monotonic_s()
        receiver.wait_for_push(2.0 * interval_s + boot_s)
        delay_s = round(run.clock.monotonic_s() - back_s, 3)
        high_s = interval_s + boot_s + TOLERANCE_S
        run.measure("start after the return of the supply", delay_s, "s", low=0, high=high_s)
        delays.append(delay_s)
    spread_s = round(max(delays) - min(delays), 3)
    run.measure("spread of the starts", spread_s, "s", low=interval_s / 20)
    return PushesSeen(pushes=times, counter=0)


@procedure("push_postponed", hurts=("configure",))
def push_postponed(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, setup: str, closed_s: int
) -> PushesSeen:
    """Push while the window is closed: nothing until it opens, then at once and with the values of then.

    A window that is over is as closed as one that has not begun.
    """
    address = receiver.address().address
    with associated(meter, link):
        zone_min = int(str(meter.get("clock", "time_zone", ASSOCIATION).value))
        local = meter.read_clock(association=ASSOCIATION).device_time - timedelta(minutes=zone_min)
        opens = (local + timedelta(seconds=closed_s)).replace(microsecond=0)
        closes = opens + timedelta(minutes=10)
        written = meter.configure_push(
            setup,
            address,
            window_start=daily(opens),
            window_end=daily(closes),
            association=ASSOCIATION,
        )
        run.check("windows read back", expected=1, actual=written.windows)
        meter.action(setup, "push", association=ASSOCIATION)
    early = receiver.no_push_for(closed_s - 3.0 * TOLERANCE_S).count
    run.check("pushes while the window is closed", expected=0, actual=early)
    push = receiver.wait_for_push(6.0 * TOLERANCE_S)
    opened_at = opens + timedelta(minutes=zone_min)
    near(run, "arrival, against the window's beginning", push.arrived, opened_at)
    near_if_told(run, "time of the values", push.meter_time, opened_at)
    clocks = [each for each in push.values if each.object == "clock"]
    for each in clocks:
        near(run, "pushed clock", utc(str(each.value), zone_min), opened_at)
    again = asked_for(meter, receiver, link, setup)
    run.check("pushed within the window", expected=setup, actual=again.setup)
    with associated(meter, link):
        local = local_time(meter)
        meter.configure_push(
            setup,
            address,
            window_start=daily(local - timedelta(minutes=2)),
            window_end=daily(local - timedelta(minutes=1)),
            association=ASSOCIATION,
        )
        meter.action(setup, "push", association=ASSOCIATION)
    late = receiver.no_push_for(_OVER_S).count
    run.check("pushes when the window is over", expected=0, actual=late)
    return PushesSeen(pushes=2, counter=again.invocation_counter or 0)


@procedure("push_periodically_in_window", hurts=("configure",))
def push_periodically_in_window(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, period_s: int
) -> PushesSeen:
    """Let the scheduler run while the window is closed for two and a half periods: nothing until it opens."""
    closed_s = period_s * 5 // 2
    with associated(meter, link):
        local = local_time(meter)
        meter.configure_push(
            "push_interval",
            receiver.address().address,
            window_start=daily(local + timedelta(seconds=closed_s)),
            window_end=daily(local + timedelta(seconds=closed_s + 10 * period_s)),
            association=ASSOCIATION,
        )
        meter.set("push_period", period_s, association=ASSOCIATION)
    early = receiver.no_push_for(closed_s - 3.0 * TOLERANCE_S).count
    run.check("pushes of the scheduler while the window is closed", expected=0, actual=early)
    push = receiver.wait_for_push(period_s + 6.0 * TOLERANCE_S)
    run.check("setup that was pushed", expected="push_interval", actual=push.setup)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_after_power_up_again", hurts=("configure", "energise"))
def push_after_power_up_again(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    receiver: PushReceiver,
    link: str,
    off_s: int,
    delay_s: int,
) -> PushesSeen:
    """Let nobody listen as the supply returns: the push is repeated like any other.

    A meter that takes longer to start is heard at its first attempt; there is nothing to repeat then.
    """
    address = receiver.address().address
    with associated(meter, link):
        meter.configure_push(
            "push_connectivity", address, retries=1, repetition_delay_s=delay_s, association=ASSOCIATION
        )
    meter.drop_all_links()
    receiver.stop_listening()
    source.switch_off()
    try:
        run.clock.sleep_s(off_s)
    finally:
        source.switch_on()
    run.clock.sleep_s(delay_s / 2)
    push = receiver.wait_for_push(60.0 + delay_s)
    run.check("setup that was pushed", expected="push_connectivity", actual=push.setup)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_after_power_up", hurts=("configure", "energise"))
def push_after_power_up(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    receiver: PushReceiver,
    link: str,
    off_s: int,
    quiet_s: float = 60.0,
) -> PushesSeen:
    """Cut the supply: nothing before it returns, then one push that tells how long it was away.

    Every setup has the receiver for its destination; only that of connectivity has a reason to push.
    """
    address = receiver.address().address
    with associated(meter, link):
        for setup in SETUPS:
            meter.configure_push(setup, address, association=ASSOCIATION)
    meter.drop_all_links()
    source.switch_off()
    try:
        run.check("pushes without supply", expected=0, actual=receiver.no_push_for(float(off_s)).count)
    finally:
        source.switch_on()
    push = receiver.wait_for_push(60)
    further = receiver.no_push_for(quiet_s).count
    with associated(meter, link):
        compare_now(run, meter, push, "push_connectivity")
    lasted = next((each.value for each in push.values if each.object == "power_failure_duration"), -1)
    run.measure("duration told", int(str(lasted)), "s", low=off_s - TOLERANCE_S, high=off_s + TOLERANCE_S)
    run.check("further pushes", expected=0, actual=further)
    return PushesSeen(pushes=1, counter=push.invocation_counter or 0)


@procedure("push_periodically", hurts=("configure",))
def push_periodically(
    run: Steps, *, meter: DlmsMeter, receiver: PushReceiver, link: str, period_s: int, rounds: int = 4
) -> PushesSeen:
    """Push at equal intervals until the scheduler is turned off, each with a counter above the last.

    When the first comes is the meter's own business, if it comes within a period: some count from the
    moment they are told, some from the full minute. Every setup has the receiver for its destination; only
    that of the scheduler has a reason to push.
    """
    address, last = receiver.address().address, -1
    with associated(meter, link):
        for setup in SETUPS:
            meter.configure_push(setup, address, association=ASSOCIATION)
        meter.set("push_period", period_s, association=ASSOCIATION)
        clocks = clocks_of(meter)
    began_s = run.clock.monotonic_s()
    first_s = 0.0
    for number in range(1, rounds + 1):
        push = receiver.wait_for_push(2.0 * period_s)
        if number == 1:
            first_s = run.clock.monotonic_s()
            waited_s = round(first_s - began_s, 3)
            run.measure("first push", waited_s, "s", low=0, high=period_s + TOLERANCE_S)
            further = receiver.no_push_for(min(QUIET_S, period_s / 2)).count
            run.check("further pushes", expected=0, actual=further)
        else:
            after(run, f"push {number}, after the first", first_s, (number - 1) * period_s)
        run.check("setup that was pushed", expected="push_interval", actual=push.setup)
        compare_times(run, push, clocks)
        counter = -1 if push.invocation_counter is None else push.invocation_counter
        run.measure("invocation counter", counter, "", low=last + 1)
        last = counter
    shorter_s = period_s // 2
    with associated(meter, link):
        meter.set("push_period", shorter_s, association=ASSOCIATION)
    changed_s = run.clock.monotonic_s()
    receiver.wait_for_push(2.0 * period_s)
    waited_s = round(run.clock.monotonic_s() - changed_s, 3)
    run.measure("next push with half the period", waited_s, "s", low=0, high=shorter_s + TOLERANCE_S)
    with associated(meter, link):
        meter.set("push_period", 0, association=ASSOCIATION)
    run.check("pushes once turned off", expected=0, actual=receiver.no_push_for(2.5 * period_s).count)
    return PushesSeen(pushes=rounds + 1, counter=last)


# --- inside -------------------------------------------------------------------------------------------------


def _entries(meter: DlmsMeter, event: int) -> Counter[str]:
    """Return when ``event`` was logged, and how often then.

    A log that is full keeps its length, so rows are compared, not counted.
    """
    rows = meter.get("communication_event_log", "buffer", ASSOCIATION).value
    assert isinstance(rows, list)
    return Counter(str(row[0]) for row in rows if row[1] == event)
