"""COSEM interface classes as data: what the attributes and methods of a class are called and how typed.

Used by the client (``value`` -> attribute 2), by the virtual meter (live objects are built from these
tables) and by checks of foreign meters (does an attribute have a type its class allows?).
Source of names, numbers and types: DLMS UA 1000-1 (Blue Book) chapter 4, by class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from adapters.protocols.dlms.enums import DataType


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """One attribute. ``types`` are those the class allows; empty means the class leaves it open (CHOICE)."""

    index: int
    name: str
    types: tuple[DataType, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """One method of a class."""

    index: int
    name: str


@dataclass(frozen=True, kw_only=True)
class InterfaceClass:
    """One class in one version."""

    class_id: int
    version: int
    name: str
    attributes: dict[int, AttributeSpec] = field(repr=False)
    methods: dict[int, MethodSpec] = field(repr=False)

    @cached_property
    def _attribute_numbers(self) -> dict[str, int]:
        return {spec.name: spec.index for spec in self.attributes.values()}

    @cached_property
    def _method_numbers(self) -> dict[str, int]:
        return {spec.name: spec.index for spec in self.methods.values()}

    def attribute_number(self, name: str) -> int:
        """Return the number of attribute ``name`` (or of its number written as text). Raises KeyError."""
        if name.isdecimal():
            return int(name)
        return self._attribute_numbers[name]

    def method_number(self, name: str) -> int:
        """Return the number of method ``name`` (or of its number written as text). Raises KeyError."""
        if name.isdecimal():
            return int(name)
        return self._method_numbers[name]


_T = DataType
_OCTETS = (_T.OCTET_STRING,)
_ANY: tuple[DataType, ...] = ()


def _define(
    class_id: int,
    version: int,
    name: str,
    attributes: tuple[tuple[str, tuple[DataType, ...]], ...],
    methods: tuple[str, ...] = (),
) -> InterfaceClass:
    numbered = (("logical_name", _OCTETS), *attributes)
    return InterfaceClass(
        class_id=class_id,
        version=version,
        name=name,
        attributes={
            index: AttributeSpec(index=index, name=attribute, types=types)
            for index, (attribute, types) in enumerate(numbered, 1)
        },
        methods={index: MethodSpec(index=index, name=method) for index, method in enumerate(methods, 1)},
    )


_ASSOCIATION_LN_1 = (
    ("object_list", (_T.ARRAY,)),
    ("associated_partners_id", (_T.STRUCTURE,)),
    ("application_context_name", (_T.STRUCTURE, _T.OCTET_STRING)),
    ("xdlms_context_info", (_T.STRUCTURE,)),
    ("authentication_mechanism_name", (_T.STRUCTURE, _T.OCTET_STRING)),
    ("secret", _OCTETS),
    ("association_status", (_T.ENUM,)),
    ("security_setup_reference", _OCTETS),
)
_ASSOCIATION_LN_METHODS = (
    "reply_to_hls_authentication",
    "change_hls_secret",
    "add_object",
    "remove_object",
)

_SECURITY_SETUP = (
    ("security_policy", (_T.ENUM,)),
    ("security_suite", (_T.ENUM,)),
    ("client_system_title", _OCTETS),
    ("server_system_title", _OCTETS),
)

_CLASSES = (
    _define(1, 0, "data", (("value", _ANY),)),
    _define(3, 0, "register", (("value", _ANY), ("scaler_unit", (_T.STRUCTURE,))), ("reset",)),
    _define(
        4,
        0,
        "extended_register",
        (("value", _ANY), ("scaler_unit", (_T.STRUCTURE,)), ("status", _ANY), ("capture_time", _OCTETS)),
        ("reset",),
    ),
    _define(
        5,
        0,
        "demand_register",
        (
            ("current_average_value", _ANY),
            ("last_average_value", _ANY),
            ("scaler_unit", (_T.STRUCTURE,)),
            ("status", _ANY),
            ("capture_time", _OCTETS),
            ("start_time_current", _OCTETS),
            ("period", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("number_of_periods", (_T.LONG_UNSIGNED,)),
        ),
        ("reset", "next_period"),
    ),
    _define(
        7,
        1,
        "profile_generic",
        (
            ("buffer", (_T.ARRAY, _T.COMPACT_ARRAY)),
            ("capture_objects", (_T.ARRAY,)),
            ("capture_period", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("sort_method", (_T.ENUM,)),
            ("sort_object", (_T.STRUCTURE,)),
            ("entries_in_use", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("profile_entries", (_T.DOUBLE_LONG_UNSIGNED,)),
        ),
        ("reset", "capture"),
    ),
    _define(
        8,
        0,
        "clock",
        (
            ("time", _OCTETS),
            ("time_zone", (_T.LONG,)),
            ("status", (_T.UNSIGNED,)),
            ("daylight_savings_begin", _OCTETS),
            ("daylight_savings_end", _OCTETS),
            ("daylight_savings_deviation", (_T.INTEGER,)),
            ("daylight_savings_enabled", (_T.BOOLEAN,)),
            ("clock_base", (_T.ENUM,)),
        ),
        (
            "adjust_to_quarter",
            "adjust_to_measuring_period",
            "adjust_to_minute",
            "adjust_to_preset_time",
            "preset_adjusting_time",
            "shift_time",
        ),
    ),
    _define(9, 0, "script_table", (("scripts", (_T.ARRAY,)),), ("execute",)),
    _define(15, 0, "association_ln", _ASSOCIATION_LN_1[:7], _ASSOCIATION_LN_METHODS),
    _define(15, 1, "association_ln", _ASSOCIATION_LN_1, _ASSOCIATION_LN_METHODS),
    _define(
        15,
        2,
        "association_ln",
        (*_ASSOCIATION_LN_1, ("user_list", (_T.ARRAY,)), ("current_user", (_T.STRUCTURE,))),
        (*_ASSOCIATION_LN_METHODS, "add_user", "remove_user"),
    ),
    _define(17, 0, "sap_assignment", (("sap_assignment_list", (_T.ARRAY,)),), ("connect_logical_device",)),
    _define(
        18,
        0,
        "image_transfer",
        (
            ("image_block_size", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("image_transferred_blocks_status", (_T.BIT_STRING,)),
            ("image_first_not_transferred_block_number", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("image_transfer_enabled", (_T.BOOLEAN,)),
            ("image_transfer_status", (_T.ENUM,)),
            ("image_to_activate_info", (_T.ARRAY,)),
        ),
        ("image_transfer_initiate", "image_block_transfer", "image_verify", "image_activate"),
    ),
    _define(
        20,
        0,
        "activity_calendar",
        (
            ("calendar_name_active", _OCTETS),
            ("season_profile_active", (_T.ARRAY,)),
            ("week_profile_table_active", (_T.ARRAY,)),
            ("day_profile_table_active", (_T.ARRAY,)),
            ("calendar_name_passive", _OCTETS),
            ("season_profile_passive", (_T.ARRAY,)),
            ("week_profile_table_passive", (_T.ARRAY,)),
            ("day_profile_table_passive", (_T.ARRAY,)),
            ("activate_passive_calendar_time", _OCTETS),
        ),
        ("activate_passive_calendar",),
    ),
    _define(
        21,
        0,
        "register_monitor",
        (("thresholds", (_T.ARRAY,)), ("monitored_value", (_T.STRUCTURE,)), ("actions", (_T.ARRAY,))),
    ),
    _define(
        22,
        0,
        "single_action_schedule",
        (("executed_script", (_T.STRUCTURE,)), ("type", (_T.ENUM,)), ("execution_time", (_T.ARRAY,))),
    ),
    _define(
        23,
        1,
        "iec_hdlc_setup",
        (
            ("comm_speed", (_T.ENUM,)),
            ("window_size_transmit", (_T.UNSIGNED,)),
            ("window_size_receive", (_T.UNSIGNED,)),
            ("max_info_field_length_transmit", (_T.LONG_UNSIGNED,)),
            ("max_info_field_length_receive", (_T.LONG_UNSIGNED,)),
            ("inter_octet_time_out", (_T.LONG_UNSIGNED,)),
            ("inactivity_time_out", (_T.LONG_UNSIGNED,)),
            ("device_address", (_T.LONG_UNSIGNED,)),
        ),
    ),
    _define(
        40,
        0,
        "push_setup",
        (
            ("push_object_list", (_T.ARRAY,)),
            ("send_destination_and_method", (_T.STRUCTURE,)),
            ("communication_window", (_T.ARRAY,)),
            ("randomisation_start_interval", (_T.LONG_UNSIGNED,)),
            ("number_of_retries", (_T.UNSIGNED,)),
            ("repetition_delay", (_T.LONG_UNSIGNED,)),
        ),
        ("push",),
    ),
    _define(
        41,
        0,
        "tcp_udp_setup",
        (
            ("tcp_udp_port", (_T.LONG_UNSIGNED,)),
            ("ip_reference", _OCTETS),
            ("mss", (_T.LONG_UNSIGNED,)),
            ("nb_of_sim_conn", (_T.UNSIGNED,)),
            ("inactivity_time_out", (_T.LONG_UNSIGNED,)),
        ),
    ),
    _define(64, 0, "security_setup", _SECURITY_SETUP, ("security_activate", "global_key_transfer")),
    _define(
        64,
        1,
        "security_setup",
        (*_SECURITY_SETUP, ("certificates", (_T.ARRAY,))),
        (
            "security_activate",
            "key_transfer",
            "key_agreement",
            "generate_key_pair",
            "generate_certificate_request",
            "import_certificate",
            "export_certificate",
            "remove_certificate",
        ),
    ),
    _define(
        70,
        0,
        "disconnect_control",
        (("output_state", (_T.BOOLEAN,)), ("control_state", (_T.ENUM,)), ("control_mode", (_T.ENUM,))),
        ("remote_disconnect", "remote_reconnect"),
    ),
    _define(
        71,
        0,
        "limiter",
        (
            ("monitored_value", (_T.STRUCTURE,)),
            ("threshold_active", _ANY),
            ("threshold_normal", _ANY),
            ("threshold_emergency", _ANY),
            ("min_over_threshold_duration", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("min_under_threshold_duration", (_T.DOUBLE_LONG_UNSIGNED,)),
            ("emergency_profile", (_T.STRUCTURE,)),
            ("emergency_profile_group_id_list", (_T.ARRAY,)),
            ("emergency_profile_active", (_T.BOOLEAN,)),
            ("actions", (_T.STRUCTURE,)),
        ),
    ),
)

INTERFACE_CLASSES: dict[tuple[int, int], InterfaceClass] = {
    (entry.class_id, entry.version): entry for entry in _CLASSES
}


def interface_class(class_id: int, version: int | None = None) -> InterfaceClass:
    """Return the table of a class; without ``version`` (or with an unknown one) the newest that is known.

    Raises KeyError for a class that has no table here.
    """
    exact = INTERFACE_CLASSES.get((class_id, version if version is not None else -1))
    if exact is not None:
        return exact
    known = [entry for entry in _CLASSES if entry.class_id == class_id]
    if not known:
        raise KeyError(class_id)
    return max(known, key=lambda entry: entry.version)
