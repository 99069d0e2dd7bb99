"""What a meter has counted and been told, before something that must not touch it and after."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from adapters.errors import Refused
from adapters.roles import DlmsMeter
from harness.actions import procedure
from harness.steps import Steps

_TOLD = (
    ("clock", "time_zone"),
    ("disconnect_control", "control_state"),
    ("disconnect_control", "control_mode"),
    ("image_transfer", "image_transfer_enabled"),
    ("security_setup_management", "security_policy"),
    ("security_setup_reading", "security_policy"),
    ("installation_note", "value"),
    ("sag_threshold", "value"),
    ("alarm_filter_1", "value"),
    ("push_period", "value"),
    ("limiter", "threshold_normal"),
    ("billing_schedule", "execution_time"),
    ("activity_calendar", "calendar_name_active"),
)
_ENERGIES = ("energy_import", "energy_export", "reactive_import", "reactive_export")
_COUNTERS = ("invocation_counter_management", "invocation_counter_reading")


@dataclass(frozen=True, kw_only=True)
class MeterRemembered:
    """What a meter held at a moment of ours: settings, energies and counters by name."""

    settings: int
    counts: int
    told: object = field(repr=False)
    counted: object = field(repr=False)
    at_s: float = field(repr=False)


@procedure("remember_meter")
def remember_meter(run: Steps, *, meter: DlmsMeter, association: str = "") -> MeterRemembered:
    """Read the settings, energies and counters the profile knows and this client may read."""
    told, counted = _told(meter, association), _counted(meter, association)
    return MeterRemembered(
        settings=len(told),
        counts=len(counted),
        told=told,
        counted=counted,
        at_s=run.clock.monotonic_s(),
    )


@dataclass(frozen=True, kw_only=True)
class MeterCompared:
    """Which settings are others now, which counts went back, and which grew by more than they can have.

    Each is a list in words, empty where there is nothing to tell.
    """

    changed: str
    went_back: str
    ran_away: str


@procedure("compare_meter")
def compare_meter(
    run: Steps, *, meter: DlmsMeter, before: object, most_kw: int = 100, association: str = ""
) -> MeterCompared:
    """Read again what ``remember_meter`` has read. No load is larger than ``most_kw``."""
    assert isinstance(before, MeterRemembered)
    assert isinstance(before.told, dict)
    assert isinstance(before.counted, dict)
    told, counted = _told(meter, association), _counted(meter, association)
    hours = Decimal(str(run.clock.monotonic_s() - before.at_s)) / 3600
    most = most_kw * 1000 * hours + 1
    both = [(name, value, counted.get(name, Decimal(0))) for name, value in before.counted.items()]
    return MeterCompared(
        changed="; ".join(
            f"{name}: {value} became {told.get(name)}"
            for name, value in before.told.items()
            if told.get(name) != value
        ),
        went_back="; ".join(f"{name}: {was} became {now}" for name, was, now in both if now < was),
        ran_away="; ".join(
            f"{name}: {was} became {now}" for name, was, now in both if name in _ENERGIES and now > was + most
        ),
    )


def _told(meter: DlmsMeter, association: str) -> dict[str, object]:
    known = {entry.name for entry in meter.profile_objects()}
    found: dict[str, object] = {}
    for name, attribute in _TOLD:
        if name in known:
            try:
                found[f"{name}.{attribute}"] = meter.get(name, attribute, association).value
            except Refused:
                continue  # not this meter's, or not this client's
    return found


def _counted(meter: DlmsMeter, association: str) -> dict[str, Decimal]:
    known = {entry.name for entry in meter.profile_objects()}
    found = {}
    for name in _ENERGIES:
        if name in known:
            found[name] = meter.read_register(name, association=association).value
    for name in _COUNTERS:
        if name in known:
            found[name] = Decimal(str(meter.get(name, association=association).value))
    return found
