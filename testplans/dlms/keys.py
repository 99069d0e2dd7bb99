"""Changing keys: the way back, and what a change does to the invocation counters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from adapters.errors import Refused
from adapters.roles import DlmsMeter, KeyFlaw
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms.event_logs import gained_rows, read_rows

_LOG = "standard_event_log"
_ENCRYPTION = ("encryption_key", "next_encryption_key")
_AUTHENTICATION = ("authentication_key", "next_authentication_key")


@dataclass(frozen=True, kw_only=True)
class KeysRestored:
    """Which keys were in force when the way back began, by the names of their bench secrets."""

    encryption_key: str
    authentication_key: str


@procedure("restore_keys", hurts=("keys",))
def restore_keys(
    run: Steps, *, meter: DlmsMeter, link: str, client: str = "management", by: str = "management"
) -> KeysRestored:
    """Bring ``client`` back to its own keys, from whichever of its two sets the meter holds.

    ``by`` is the client that may change keys. Raises Refused where the meter takes none of the keys the bench
    knows: then a person has to give it keys.
    """
    meter.release_all()
    found = _keys_in_force(run, meter, link, client, by)
    encryption = "" if found.encryption_key == _ENCRYPTION[0] else _ENCRYPTION[0]
    authentication = "" if found.authentication_key == _AUTHENTICATION[0] else _AUTHENTICATION[0]
    if encryption or authentication:
        meter.associate(by, link, "way-back")
        try:
            meter.change_keys(client, encryption, authentication, association="way-back")
        finally:
            meter.release("way-back")
    return found


def _keys_in_force(run: Steps, meter: DlmsMeter, link: str, client: str, by: str) -> KeysRestored:
    """Find the keys by trying them; leaves the adapter with those that fit."""
    if client != by:  # tried on no link of ours: the keys are simply written again
        return KeysRestored(encryption_key=_ENCRYPTION[1], authentication_key=_AUTHENTICATION[1])
    last: Refused | None = None
    for encryption, authentication in product(_ENCRYPTION, _AUTHENTICATION):
        meter.use_keys(client, encryption, authentication)
        try:
            meter.associate(client, link, "trial")
        except Refused as refusal:
            last = refusal
            continue
        meter.release("trial")
        return KeysRestored(encryption_key=encryption, authentication_key=authentication)
    meter.use_keys(client, _ENCRYPTION[0], _AUTHENTICATION[0])
    assert last is not None
    raise last


@dataclass(frozen=True, kw_only=True)
class BadKeysOffered:
    """What a meter made of keys it must not take: its refusal, what changed, and which keys open it."""

    refused: str
    trace: str
    opens: str


@procedure("offer_bad_keys", hurts=("keys",))
def offer_bad_keys(
    run: Steps, *, meter: DlmsMeter, link: str, flaw: KeyFlaw, keys_changed_event: int = 0
) -> BadKeysOffered:
    """Offer Management two new keys with one thing wrong; compare the meter's state before and after.

    The standard log must not gain ``keys_changed_event``; that somebody tried it may note.
    Then associate with the old keys, and with every mixture of old and new that must not open anything.
    """
    meter.associate("management", link, "offering")
    try:
        before, log = _state(meter, "offering"), read_rows(meter, _LOG, "offering")
        refused = "nothing"
        try:
            meter.change_keys("management", _ENCRYPTION[1], _AUTHENTICATION[1], "", "offering", flaw)
        except Refused as refusal:
            refused = refusal.reason
        after = _state(meter, "offering")
        new = gained_rows(log, read_rows(meter, _LOG, "offering"))[1]
    finally:
        meter.release("offering")
    changed = [name for name, value in before.items() if after[name] != value]
    if any(int(number) == keys_changed_event for _, number in new):
        changed.append("the log says that keys were changed")
    return BadKeysOffered(
        refused=refused,
        trace=", ".join(changed) or "nothing",
        opens=", ".join(_opening(meter, link)) or "no keys",
    )


def _state(meter: DlmsMeter, association: str) -> dict[str, object]:
    """Return what a change of keys would show in."""
    return {
        "security setup of Management": meter.read_security("management", association),
        "security setup of Reading": meter.read_security("reading", association),
    }


def _opening(meter: DlmsMeter, link: str) -> list[str]:
    """Return which of the four mixtures of old and new keys open an association."""
    found = []
    for encryption, authentication in product(_ENCRYPTION, _AUTHENTICATION):
        meter.use_keys("management", encryption, authentication)
        try:
            meter.associate("management", link, "trial")
        except Refused:
            continue
        meter.get("logical_device_name", association="trial")
        meter.release("trial")
        found.append(_MIXTURES[encryption == _ENCRYPTION[0], authentication == _AUTHENTICATION[0]])
    meter.use_keys("management", _ENCRYPTION[0], _AUTHENTICATION[0])
    return found


_MIXTURES = {
    (True, True): "old keys",
    (False, False): "new keys",
    (True, False): "old encryption and new authentication key",
    (False, True): "new encryption and old authentication key",
}


@dataclass(frozen=True, kw_only=True)
class CounterAcrossChange:
    """A meter's invocation counter before and after a key transfer, and whether it went back."""

    before: int
    after: int
    restarted: str


@procedure("change_key_and_watch_counter", hurts=("keys",))
def change_key_and_watch_counter(
    run: Steps,
    *,
    meter: DlmsMeter,
    link: str,
    kind: Literal["encryption", "authentication", "broadcast"],
    counter: str = "invocation_counter_management",
) -> CounterAcrossChange:
    """Change one of Management's keys; read its invocation counter, as Public, around that.

    A few requests are sent first, so that a counter that starts again can be told from one that goes on.
    """
    encryption = _ENCRYPTION[1] if kind == "encryption" else ""
    authentication = _AUTHENTICATION[1] if kind == "authentication" else ""
    broadcast = "next_broadcast_key" if kind == "broadcast" else ""
    meter.associate("management", link, "changing")
    try:
        for _ in range(_REQUESTS):
            meter.get("logical_device_name", association="changing")
        before = _read_counter(meter, link, counter)
        meter.change_keys("management", encryption, authentication, broadcast, "changing")
    finally:
        meter.forget("changing")  # a release would count on, under the key that was
    after = _read_counter(meter, link, counter)
    return CounterAcrossChange(before=before, after=after, restarted="yes" if after < before else "no")


_REQUESTS = 3


def _read_counter(meter: DlmsMeter, link: str, name: str) -> int:
    meter.associate("public", link, "counter")
    try:
        value = meter.get(name, association="counter").value
        assert isinstance(value, int)
        return value
    finally:
        meter.release("counter")
