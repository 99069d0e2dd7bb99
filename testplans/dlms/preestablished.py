"""Services nobody answers: the pre-established client's SETs and ACTIONs, seen through a witness."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import Refused
from adapters.roles import DlmsMeter, ServiceDone
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.words import yes


@dataclass(frozen=True, kw_only=True)
class UnconfirmedEffect:
    """What came of an unconfirmed service: was it answered, did its effect show."""

    answered: str
    stored: str
    found: str


@procedure("prove_preestablished_write")
def prove_preestablished_write(
    run: Steps, *, meter: DlmsMeter, link: str, object: str, value: str, witness: str
) -> UnconfirmedEffect:
    """Write through the pre-established client on ``link``; read back through the association ``witness``.

    What was there is written back through the witness however it ends.
    """
    before = meter.get(object, association=witness).value
    fresh = _other_than(before, value)
    try:
        done = _unconfirmed_write(run, meter, link, object, fresh)
        found = meter.get(object, association=witness).value
    finally:
        meter.set(object, before, association=witness)
    return UnconfirmedEffect(answered=yes(done.acknowledged), stored=yes(found == fresh), found=str(found))


def _other_than(before: object, value: str) -> str:
    """Return ``value``, or a text that differs from what is there, so that a change can be seen at all."""
    return value if str(before) != value else value + "*"


def _unconfirmed_write(run: Steps, meter: DlmsMeter, link: str, name: str, value: object) -> ServiceDone:
    with run.step("unconfirmed SET by the pre-established client", link=link, object=name, value=value):
        try:
            meter.associate("pre-established", link, "pre-established")
            return meter.set(name, value, association="pre-established", confirmed=False)
        except Refused as refusal:  # an answer where none belongs, or a link that turns the client away
            return ServiceDone(
                service="set", object=name, acknowledged=refusal.reason not in TURNED_AWAY, value=str(refusal)
            )
        finally:
            meter.forget("pre-established")


TURNED_AWAY = ("silence", "disconnected", "hung-up")
"""Reasons of Refused that are no answer to the service itself."""


@dataclass(frozen=True, kw_only=True)
class UnconfirmedAction:
    """What came of an unconfirmed ACTION: was it answered, did the counter it resets go back."""

    answered: str
    acted: str
    count_before: int
    count_after: int


@procedure("prove_preestablished_action")
def prove_preestablished_action(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    witness: str,
    counter: str = "note_counter",
    counted: str = "installation_note",
) -> UnconfirmedAction:
    """Reset ``counter`` by an unconfirmed ACTION of the pre-established client and look through the witness.

    ``counter`` counts writes to ``counted``, so the witness first writes back what is there.
    """
    meter.set(counted, meter.get(counted, association=witness).value, association=witness)
    before = _count(meter, counter, witness)
    answered = _unconfirmed_action(run, meter, link, counter)
    after = _count(meter, counter, witness)
    if before < 1:
        run.inconclusive(f"{counter} does not count writes to {counted}: a reset could not be seen")
    return UnconfirmedAction(
        answered=yes(answered), acted=yes(after < before), count_before=before, count_after=after
    )


def _count(meter: DlmsMeter, counter: str, witness: str) -> int:
    return int(str(meter.get(counter, association=witness).value))


def _unconfirmed_action(run: Steps, meter: DlmsMeter, link: str, name: str) -> bool:
    with run.step("unconfirmed ACTION by the pre-established client", link=link, object=name):
        try:
            meter.associate("pre-established", link, "pre-established")
            return meter.action(name, "1", 0, association="pre-established", confirmed=False).acknowledged
        except Refused as refusal:
            return refusal.reason not in TURNED_AWAY
        finally:
            meter.forget("pre-established")


@dataclass(frozen=True, kw_only=True)
class OpticalRefusal:
    """What the optical interface made of the pre-established client."""

    answered: str
    stored: str
    acted: str
    link_alive: str


@procedure("prove_optical_refuses_preestablished")
def prove_optical_refuses_preestablished(
    run: Steps, *, meter: DlmsMeter, link: str, witness: str, value: str, port_in_use: str
) -> OpticalRefusal:
    """Send SET and ACTION as the pre-established client to a local port, idle or serving Management."""
    if port_in_use == "yes":
        meter.associate("management", link, "in-use")
    effect = prove_preestablished_write(
        run, meter=meter, link=link, object="installation_note", value=value, witness=witness
    )
    action = prove_preestablished_action(run, meter=meter, link=link, witness=witness)
    with run.step("the port itself is in order", link=link):
        if port_in_use != "yes":
            meter.associate("management", link, "in-use")
        alive = meter.get("logical_device_name", association="in-use").value
        meter.release("in-use")
    return OpticalRefusal(
        answered=yes("yes" in (effect.answered, action.answered)),
        stored=effect.stored,
        acted=action.acted,
        link_alive=yes(bool(alive)),
    )


@procedure("first_write_after_power_up")
def first_write_after_power_up(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    object: str,
    value: str,
    witness_client: str,
    witness_link: str,
) -> UnconfirmedEffect:
    """Write through the pre-established client before anybody has connected; then look with a witness."""
    done = _unconfirmed_write(run, meter, link, object, value)
    meter.associate(witness_client, witness_link, "witness")
    found = meter.get(object, association="witness").value
    meter.release("witness")
    return UnconfirmedEffect(answered=yes(done.acknowledged), stored=yes(found == value), found=str(found))
