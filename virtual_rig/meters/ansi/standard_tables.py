"""What the standard tables of a virtual ANSI meter show."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from adapters.profiles.ansi import MANUFACTURER, AnsiProfile
from adapters.protocols.c1219 import Formats

if TYPE_CHECKING:
    from virtual_rig.meters.ansi.model import AnsiMeterModel
    from virtual_rig.meters.ansi.tables import Fields

_NAMEPLATES = {"gas": 0, "water": 1, "electric": 2}
_MAX_PARAMETER_OCTETS, _MAX_RESPONSE_OCTETS = 24, 24
_STATUS_OCTETS = 1
_DIMENSIONS = (
    "general_configuration",
    "actual_registers",
    "actual_load_profile",
    "load_profile_control",
    "actual_log",
)
"""Tables that others depend on, in the order they can be read."""


def formats_of(profile: AnsiProfile) -> Formats:
    """Return how a meter of this profile writes its tables."""
    formats = profile.formats
    return Formats(
        order="big" if formats.data_order == "most-first" else "little",
        char_format=formats.char_format,
        tm_format=formats.tm_format,
        id_is_bcd=formats.id_form == "bcd",
        int_format=formats.int_format,
        ni_format1=formats.ni_format1,
        ni_format2=formats.ni_format2,
    )


def show(meter: AnsiMeterModel) -> None:
    """Bind every standard table that the meter's profile has."""
    tables, load_profile, log = meter.tables, meter.load_profile, meter.log
    registers = dict(meter.registers.dimensions())
    providers: dict[str, Fields] = {
        "mode_status": lambda: {"ED_MODE": {"METERING_FLAG": 1}},
        "actual_registers": lambda: registers,
        "data_selection": partial(_data_selection, registers),
        "current_registers": partial(_current_registers, meter),
        "present_register_selection": partial(_present_selection, registers),
        "present_registers": dict,
        "actual_time": lambda: {"TIME_FUNC_FLAG2_BFLD": {"CAP_TM_ZN_OFFSET_FLAG": 1}},
        "clock": partial(_clock, meter),
        "time_offset": lambda: {"TIME_ZONE_OFFSET": meter.clock_offset_min},
        "clock_state": partial(_clock, meter),
        "actual_load_profile": load_profile.actual,
        "load_profile_control": load_profile.control,
        "load_profile_status": load_profile.status,
        "load_profile_data": load_profile.data,
        "actual_log": partial(_actual_log, meter),
        "history_log": partial(log.fields, history=True),
        "event_log": partial(log.fields, history=False),
    }
    for name, fields in providers.items():
        tables.provide(name, fields)
    tables.provide_constant("general_configuration", partial(_general_configuration, meter))
    tables.provide_constant("manufacturer_identification", partial(_manufacturer_identification, meter))
    tables.provide_octets("procedure_initiate", lambda: b"")
    tables.provide_octets("procedure_response", meter.procedures.response)
    for name in _DIMENSIONS:
        tables.learn(name)
    meter.registers.bind()
    if tables.has("device_identification"):
        tables.set_field("device_identification", "IDENTIFICATION", meter.identity.told)
    if meter.profile.switch is not None:
        tables.overlay(meter.profile.switch.table, partial(_switch, meter))


def _general_configuration(meter: AnsiMeterModel) -> dict[str, object]:
    profile = meter.profile
    written = {name for level in profile.levels.values() for name in level.write} | {"procedure_initiate"}
    tables = [table.number for table in profile.tables.values()]
    writable = [table.number for name, table in profile.tables.items() if name in written]
    procedures = {each.number for each in profile.procedures.values()}
    sets = {
        "STD_TBLS_USED": _standard(tables),
        "MFG_TBLS_USED": _manufacturers(tables),
        "STD_PROC_USED": _standard(procedures),
        "MFG_PROC_USED": _manufacturers(procedures),
        "STD_TBLS_WRITE": _standard(writable),
        "MFG_TBLS_WRITE": _manufacturers(writable),
    }
    return {
        **meter.tables.known.formats.fields(),
        "DEVICE_CLASS": bytes.fromhex(profile.formats.device_class),
        "NAMEPLATE_TYPE": _NAMEPLATES[profile.formats.nameplate],
        "MAX_PROC_PARM_LENGTH": _MAX_PARAMETER_OCTETS,
        "MAX_RESP_DATA_LEN": _MAX_RESPONSE_OCTETS,
        "STD_VERSION_NO": profile.formats.standard_version,
        "STD_REVISION_NO": profile.formats.standard_revision,
        "DIM_STD_TBLS_USED": _octets_for(sets["STD_TBLS_USED"]),
        "DIM_MFG_TBLS_USED": _octets_for(sets["MFG_TBLS_USED"]),
        "DIM_STD_PROC_USED": _octets_for(sets["STD_PROC_USED"]),
        "DIM_MFG_PROC_USED": _octets_for(sets["MFG_PROC_USED"]),
        "DIM_MFG_STATUS_USED": _STATUS_OCTETS,
        **sets,
    }


def _manufacturer_identification(meter: AnsiMeterModel) -> dict[str, object]:
    identity = meter.identity
    return {
        "MANUFACTURER": meter.profile.manufacturer,
        "ED_MODEL": meter.profile.model,
        "HW_VERSION_NUMBER": identity.hardware_version,
        "HW_REVISION_NUMBER": identity.hardware_revision,
        "FW_VERSION_NUMBER": identity.firmware_version,
        "FW_REVISION_NUMBER": identity.firmware_revision,
        "MFG_SERIAL_NUMBER": identity.told[-16:],
    }


def _data_selection(registers: dict[str, object]) -> dict[str, object]:
    demands = _count(registers, "NBR_DEMANDS")
    return {
        "SUMMATION_SELECT": tuple(range(_count(registers, "NBR_SUMMATIONS"))),
        "DEMAND_SELECT": tuple(range(demands)),
        "MIN_OR_MAX_FLAGS": tuple(range(demands)),  # every demand is a maximum
    }


def _present_selection(registers: dict[str, object]) -> dict[str, object]:
    return {
        "PRESENT_DEMAND_SELECT": tuple(range(_count(registers, "NBR_PRESENT_DEMANDS"))),
        "PRESENT_VALUE_SELECT": tuple(range(_count(registers, "NBR_PRESENT_VALUES"))),
    }


def _count(registers: dict[str, object], name: str) -> int:
    value = registers[name]
    assert isinstance(value, int)
    return value


def _current_registers(meter: AnsiMeterModel) -> dict[str, object]:
    meter.recorder.settle()
    reached = meter.recorder.max_demand_at
    fields: dict[str, object] = {"NBR_DEMAND_RESETS": meter.demand_resets % 256}
    if reached is not None and _count(meter.registers.dimensions(), "NBR_DEMANDS"):
        fields["TOT_DATA_BLOCK"] = {"DEMANDS": ({"EVENT_TIME": (meter.shown(reached),)},)}
    return fields


def _clock(meter: AnsiMeterModel) -> dict[str, object]:
    now = meter.local_time()
    return {
        "CLOCK_CALENDAR": now,
        "TIME_DATE_QUAL": {
            "DAY_OF_WEEK": (now.moment().weekday() + 1) % 7,  # 0 is Sunday
            "GMT_FLAG": int(not meter.clock_offset_min),
            "TM_ZN_APPLIED_FLAG": int(bool(meter.clock_offset_min)),
        },
    }


def _actual_log(meter: AnsiMeterModel) -> dict[str, object]:
    codes = meter.profile.events.codes.values() if meter.profile.events is not None else ()
    return {
        "LOG_FLAGS": {"HIST_DATE_TIME_FLAG": 1, "HIST_SEQ_NBR_FLAG": 1},
        "NBR_STD_EVENTS": _octets_for(_standard(codes)),
        "NBR_MFG_EVENTS": _octets_for(_manufacturers(codes)),
        "HIST_DATA_LENGTH": meter.log.argument_octets,
        "EVENT_DATA_LENGTH": meter.log.argument_octets,
        "NBR_HISTORY_ENTRIES": meter.log.capacity if meter.tables.has("history_log") else 0,
        "NBR_EVENT_ENTRIES": meter.log.capacity if meter.tables.has("event_log") else 0,
    }


def _switch(meter: AnsiMeterModel) -> list[tuple[str, object]]:
    rules, switch = meter.profile.switch, meter.switch
    assert rules is not None
    shown: list[tuple[str, object]] = [(rules.field, rules.closed if switch.closed else 1 - rules.closed)]
    if rules.operations is not None:
        shown.append((rules.operations, switch.operations))
    return shown


def _standard(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(number for number in numbers if number < MANUFACTURER))


def _manufacturers(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(number - MANUFACTURER for number in numbers if number >= MANUFACTURER))


def _octets_for(elements: tuple[int, ...]) -> int:
    return max(elements, default=-1) // 8 + 1
