"""Alarms of a DLMS meter: register, filter and descriptor, and what is pushed of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from adapters.errors import Refused
from adapters.roles import DlmsMeter, PowerSource, PushReceived, PushReceiver
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.push_steps import (
    ASSOCIATION,
    QUIET_S,
    TOLERANCE_S,
    PushesSeen,
    associated,
    compare_now,
    daily,
    local_time,
)

ALL_ALARMS = 0xFFFF_FFFF
_SETUP = "push_alarm"
_PROVOKING_S = 30.0  # what it may take us to see that an intruder is turned away


@procedure("push_alarm_once", hurts=("configure",))
def push_alarm_once(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
) -> PushesSeen:
    """An alarm is pushed once; its bit stays until it is written off, then the alarm is news again."""
    one, other = 1 << bit, 1 << other_bit
    both = one | other
    _alarms_ready(meter, receiver, link)
    provoke(meter, other_link)
    _alarm_came(run, meter, receiver, link, one, both)
    provoke(meter, other_link)
    run.check("pushes of the same alarm", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    _provoke_another(meter, other_link)
    _alarm_came(run, meter, receiver, link, both, both)
    with associated(meter, link):
        run.check("alarms after the push", expected=(both, both), actual=_alarms(meter, both))
        meter.set("alarm_descriptor_1", ALL_ALARMS, association=ASSOCIATION)  # ones clear nothing, nor set
        run.check("alarms after writing ones", expected=(both, both), actual=_alarms(meter, both))
        meter.set("alarm_descriptor_1", ALL_ALARMS ^ one, association=ASSOCIATION)
        seen = _alarms(meter, both)
        run.check("alarms once one is written off in the descriptor", expected=(both, other), actual=seen)
        meter.set("alarm_register_1", ALL_ALARMS ^ one, association=ASSOCIATION)
        seen = _alarms(meter, both)
        run.check(
            "alarms once the same one is written off in the register", expected=(other, other), actual=seen
        )
    run.check("pushes of writing one off", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    _provoke_another(meter, other_link)
    run.check("pushes of the one that stands", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    provoke(meter, other_link)
    _alarm_came(run, meter, receiver, link, both, both)
    with associated(meter, link):
        write_off(meter)
        run.check("alarms once written off", expected=(0, 0), actual=_alarms(meter, both))
    run.check("pushes of writing off", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    provoke(meter, other_link)
    _alarm_came(run, meter, receiver, link, one, both)
    return PushesSeen(pushes=4, counter=0)


@procedure("push_alarm_masked", hurts=("configure",))
def push_alarm_masked(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
) -> PushesSeen:
    """An alarm the filter masks reaches the register only; another, and the same one unmasked, are pushed."""
    one, other = 1 << bit, 1 << other_bit
    both = one | other
    _alarms_ready(meter, receiver, link)
    with associated(meter, link):
        meter.set("alarm_filter_1", ALL_ALARMS ^ one, association=ASSOCIATION)
    provoke(meter, other_link)
    run.check("pushes of a masked alarm", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    with associated(meter, link):
        run.check("register and descriptor", expected=(one, 0), actual=_alarms(meter, both))
    _provoke_another(meter, other_link)
    _alarm_came(run, meter, receiver, link, other, both)
    with associated(meter, link):
        run.check("register and descriptor", expected=(both, other), actual=_alarms(meter, both))
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
        run.check("both after unmasking", expected=(both, other), actual=_alarms(meter, both))
    run.check("pushes of unmasking", expected=0, actual=receiver.no_push_for(QUIET_S).count)
    provoke(meter, other_link)
    _alarm_came(run, meter, receiver, link, both, both)
    with associated(meter, link):
        meter.set("alarm_filter_1", ALL_ALARMS ^ one, association=ASSOCIATION)
        seen = _alarms(meter, both)
        run.check("both after masking one that stands", expected=(both, both), actual=seen)
    return PushesSeen(pushes=2, counter=0)


@procedure("push_alarm_meanwhile", hurts=("configure",))
def push_alarm_meanwhile(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
    delay_s: int,
) -> PushesSeen:
    """Raise a second alarm while the push of the first finds nobody: in the end both have been told.

    Whether in one push or in two is the meter's own business.
    """
    both = 1 << bit | 1 << other_bit
    _alarms_ready(meter, receiver, link, retries=3, delay_s=delay_s)
    receiver.stop_listening()
    provoke(meter, other_link)
    run.clock.sleep_s(delay_s / 2)
    _provoke_another(meter, other_link)
    came = receiver.no_push_for(3.0 * delay_s).pushes
    run.measure("pushes of two alarms", len(came), "", low=1, high=2)
    run.check("alarm bits the last of them tells", expected=both, actual=_told(came[-1]) & both)
    return PushesSeen(pushes=len(came), counter=0)


@procedure("push_alarm_postponed", hurts=("configure",))
def push_alarm_postponed(
    run: Steps,
    *,
    meter: DlmsMeter,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
    closed_s: int,
) -> PushesSeen:
    """Raise two alarms while the window is closed: nothing until it opens, then both are told."""
    both = 1 << bit | 1 << other_bit
    _alarms_ready(meter, receiver, link)
    with associated(meter, link):
        local = local_time(meter)
        meter.configure_push(
            _SETUP,
            receiver.address().address,
            window_start=daily(local + timedelta(seconds=closed_s)),
            window_end=daily(local + timedelta(seconds=closed_s + 600)),
            association=ASSOCIATION,
        )
        began_s = run.clock.monotonic_s()
    provoke(meter, other_link)
    _provoke_another(meter, other_link)
    left_s = closed_s - (run.clock.monotonic_s() - began_s)
    early = receiver.no_push_for(left_s - 2.0 * TOLERANCE_S).count
    run.check("pushes while the window is closed", expected=0, actual=early)
    came = receiver.no_push_for(2.0 * TOLERANCE_S + QUIET_S).pushes
    run.measure("pushes when the window opens", len(came), "", low=1, high=2)
    run.check("alarm bits the last of them tells", expected=both, actual=_told(came[-1]) & both)
    return PushesSeen(pushes=len(came), counter=0)


@procedure("push_survives_power_cut", hurts=("configure", "energise"))
def push_survives_power_cut(
    run: Steps,
    *,
    meter: DlmsMeter,
    source: PowerSource,
    receiver: PushReceiver,
    link: str,
    other_link: str,
    bit: int,
    other_bit: int,
    period_s: int,
    off_s: int,
    boot_s: int,
) -> PushesSeen:
    """Cut the supply: setups, filter, descriptor and scheduler are afterwards as they were before."""
    one, other = 1 << bit, 1 << other_bit
    address = receiver.address().address
    _alarms_ready(meter, receiver, link)
    provoke(meter, other_link)
    _alarm_came(run, meter, receiver, link, one, one | other)
    with associated(meter, link):
        before = meter.configure_push(
            _SETUP, address, retries=3, repetition_delay_s=7, randomisation_s=1,
            window_start="00:00:00", window_end="23:59:59", association=ASSOCIATION,
        )  # fmt: skip
        meter.set("alarm_filter_1", ALL_ALARMS ^ other, association=ASSOCIATION)
        meter.configure_push("push_interval", address, association=ASSOCIATION)
        meter.set("push_period", period_s, association=ASSOCIATION)
        descriptor = _alarms(meter, one | other)[1]
        run.check("descriptor before the power cut", expected=one, actual=descriptor)
    meter.drop_all_links()
    source.switch_off()
    try:
        run.clock.sleep_s(off_s)
    finally:
        source.switch_on()
    pushes = receiver.no_push_for(2.0 * period_s + boot_s + TOLERANCE_S).pushes
    rounds = sum(push.setup == "push_interval" for push in pushes)
    run.measure("pushes of the scheduler in two periods after the power cut", rounds, "", low=2, high=3)
    with associated(meter, link):
        setup = meter.read_push_setup(_SETUP, ASSOCIATION)
        run.check(f"{_SETUP} after the power cut", expected=before, actual=setup)
        masked = meter.get("alarm_filter_1", association=ASSOCIATION).value
        run.check("alarm filter after the power cut", expected=ALL_ALARMS ^ other, actual=masked)
        descriptor = _alarms(meter, one | other)[1]
        run.check("descriptor after the power cut", expected=one, actual=descriptor)
        meter.set("push_period", 0, association=ASSOCIATION)
    receiver.no_push_for(QUIET_S)  # what the scheduler had begun before it was turned off
    provoke(meter, other_link)
    again = receiver.no_push_for(QUIET_S).count
    run.check("pushes of an alarm that stood before the power cut", expected=0, actual=again)
    return PushesSeen(pushes=2, counter=0)


# --- inside -------------------------------------------------------------------------------------------------


def write_off(meter: DlmsMeter) -> None:
    """Clear register and descriptor through the open association of pushes."""
    meter.set("alarm_register_1", 0, association=ASSOCIATION)
    meter.set("alarm_descriptor_1", 0, association=ASSOCIATION)


def provoke(meter: DlmsMeter, link: str) -> None:
    """Fail to prove who we are, which is a fraud event."""
    with suppress(Refused):
        meter.associate("management", link, "intruder", mechanism="lls", flaw="wrong-password")
    meter.drop_link(link)


def _provoke_another(meter: DlmsMeter, link: str) -> None:
    """Speak with a wrong key, which is a fraud event of another kind."""
    with suppress(Refused):
        meter.associate("management", link, "intruder", flaw="wrong-key")
    meter.drop_link(link)


def _alarms_ready(
    meter: DlmsMeter, receiver: PushReceiver, link: str, *, retries: int = 0, delay_s: int = 0
) -> None:
    with associated(meter, link):
        meter.set("alarm_filter_1", ALL_ALARMS, association=ASSOCIATION)
        write_off(meter)
        address = receiver.address().address
        meter.configure_push(
            _SETUP, address, retries=retries, repetition_delay_s=delay_s, association=ASSOCIATION
        )


def _alarm_came(
    run: Steps, meter: DlmsMeter, receiver: PushReceiver, link: str, wanted: int, of: int
) -> None:
    """Take a push and look at its descriptor: ``wanted`` of the bits in ``of``, and all else as GET tells it.

    Bits beyond ``of`` are alarms of the meter's own, which may come at any time.
    """
    push = receiver.wait_for_push(QUIET_S)
    run.check("alarm bits pushed", expected=wanted, actual=_told(push) & of)
    with associated(meter, link):
        compare_now(run, meter, push, _SETUP, busy_s=_PROVOKING_S)


def _told(push: PushReceived) -> int:
    """Return the descriptor a push tells, 0 where it tells none."""
    told = next((each.value for each in push.values if each.object == "alarm_descriptor_1"), 0)
    return told if isinstance(told, int) else 0


def _alarms(meter: DlmsMeter, of: int) -> tuple[int, ...]:
    names = ("alarm_register_1", "alarm_descriptor_1")
    return tuple(int(str(meter.get(name, association=ASSOCIATION).value)) & of for name in names)
