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
        70,
        0,
        "disconnect_control",
        (("output_state", (_T.BOOLEAN,)), ("control_state", (_T.ENUM,)), ("control_mode", (_T.ENUM,))),
        ("remote_disconnect", "remote_reconnect"),
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
