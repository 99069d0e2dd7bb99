"""Between the words of a plan and the typed data of DLMS: objects by name, values by type, results."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property

from adapters.errors import BenchError, ProtocolError, RemoteProtocolError
from adapters.profiles.model import CosemObject, Profile, obis_octets, obis_text
from adapters.protocols.dlms import data as typed
from adapters.protocols.dlms.data import Data
from adapters.protocols.dlms.datetimes import CosemDateTime
from adapters.protocols.dlms.enums import DataType
from adapters.protocols.dlms.interface_classes import InterfaceClass, interface_class
from adapters.protocols.dlms.units import unit_symbol
from adapters.roles import AttributeValue, ListedObject, ObjectList, RegisterReading


@dataclass(frozen=True, kw_only=True)
class Target:
    """An object as a request needs it. ``entry`` is the profile's, where the profile lists it."""

    name: str
    class_id: int
    instance_id: bytes
    entry: CosemObject | None

    @property
    def obis(self) -> str:
        """Return the logical name as ``A-B:C.D.E.F``."""
        return obis_text(self.instance_id)

    @cached_property
    def interface(self) -> InterfaceClass | None:
        """The class table, or None for a class that has none here."""
        try:
            return interface_class(self.class_id, self.entry.version if self.entry else None)
        except KeyError:
            return None

    def attribute(self, name: str) -> int:
        """Return the number of an attribute by name or number. Raises BenchError naming what exists."""
        if name.isdecimal():
            return int(name)
        table = self.interface
        if table is None:
            raise BenchError(
                f"class {self.class_id} has no table here; give the attribute of {self.name} as a number"
            )
        try:
            return table.attribute_number(name)
        except KeyError:
            known = ", ".join(spec.name for spec in table.attributes.values())
            if name == "value":  # the plan's default: the attribute after the logical name
                return 2
            raise BenchError(
                f"{self.name} (class {self.class_id}) has no attribute {name!r}; it has {known}"
            ) from None

    def method(self, name: str) -> int:
        """Return the number of a method by name or number. Raises BenchError naming what exists."""
        if name.isdecimal():
            return int(name)
        table = self.interface
        try:
            if table is None:
                raise KeyError(name)
            return table.method_number(name)
        except KeyError:
            known = ", ".join(spec.name for spec in table.methods.values()) if table else "no table here"
            raise BenchError(
                f"{self.name} (class {self.class_id}) has no method {name!r}; it has {known}"
            ) from None


def target(profile: Profile, name: str) -> Target:
    """Return the object a plan calls ``name``: a profile name, or ``class/A-B:C.D.E.F``.

    Raises BenchError when the profile has no such name and it is not in the second form.
    """
    try:
        entry = profile.object(name)
    except KeyError:
        class_text, slash, obis = name.partition("/")
        if not slash or not class_text.isdecimal():
            raise BenchError(
                f"profile {profile.profile} has no object {name!r}; use one of its names or class/A-B:C.D.E.F"
            ) from None
        try:
            return Target(name=name, class_id=int(class_text), instance_id=obis_octets(obis), entry=None)
        except ValueError as error:
            raise BenchError(f"object {name!r}: {error}") from None
    return Target(name=entry.name, class_id=entry.class_id, instance_id=obis_octets(entry.obis), entry=entry)


def plain(value: Data) -> object:
    """Return typed data as what a plan compares with: numbers, texts, lists; octets as text or hexadecimal.

    An octet string whose octets are all printable ASCII becomes that text; the field writes names so.
    """
    match value.tag:
        case DataType.OCTET_STRING:
            return _octets(value.octets())
        case DataType.DATE_TIME | DataType.DATE | DataType.TIME:
            return _octets(value.octets())
        case DataType.ARRAY | DataType.STRUCTURE:
            return [plain(item) for item in value.items()]
        case DataType.BIT_STRING | DataType.COMPACT_ARRAY:
            return str(value.plain())
        case _:
            return value.plain()


def _octets(octets: bytes) -> str:
    if octets and octets.isascii() and (text := octets.decode("ascii")).isprintable():
        return text
    return octets.hex()


def typed_value(type_name: str, value: object, *, what: str) -> Data:
    """Return ``value`` as the DLMS type ``type_name`` (``long-unsigned``, ``octet-string`` ...).

    Octet strings take text, or ``hex:00ff``. Raises BenchError naming ``what`` when the value does not fit.
    """
    try:
        return _typed(DataType.from_label(type_name), value)
    except (ValueError, KeyError, TypeError, InvalidOperation, OverflowError, ProtocolError) as error:
        raise BenchError(f"{what}: {value!r} cannot be written as {type_name}: {error}") from None


def _typed(tag: DataType, value: object) -> Data:
    match tag:
        case DataType.NULL_DATA:
            return typed.null()
        case DataType.BOOLEAN:
            if str(value).lower() not in ("yes", "no", "true", "false", "1", "0"):
                raise ValueError("expected yes or no")
            return typed.boolean(str(value).lower() in ("yes", "true", "1"))
        case DataType.OCTET_STRING:
            return typed.octet_string(_octets_of(value))
        case DataType.VISIBLE_STRING:
            return typed.visible_string(str(value))
        case DataType.UTF8_STRING:
            return typed.utf8_string(str(value))
        case DataType.BIT_STRING:
            return typed.bit_string(str(value))
        case DataType.FLOAT32 | DataType.FLOAT64:
            return Data(tag, float(str(value)))
        case DataType.DATE_TIME:
            return typed.date_time(_octets_of(value))
    number = Decimal(str(value))
    if number != int(number):
        raise ValueError("expected a whole number")
    limits = INTEGER_RANGES[tag]
    if not limits[0] <= number <= limits[1]:
        raise ValueError(f"expected {limits[0]} to {limits[1]}")
    return Data(tag, int(number))


INTEGER_RANGES = {
    DataType.INTEGER: (-(2**7), 2**7 - 1),
    DataType.LONG: (-(2**15), 2**15 - 1),
    DataType.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    DataType.LONG64: (-(2**63), 2**63 - 1),
    DataType.UNSIGNED: (0, 2**8 - 1),
    DataType.LONG_UNSIGNED: (0, 2**16 - 1),
    DataType.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    DataType.LONG64_UNSIGNED: (0, 2**64 - 1),
    DataType.ENUM: (0, 2**8 - 1),
    DataType.BCD: (-(2**7), 2**7 - 1),
}


def _octets_of(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    text = str(value)
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode("utf-8")


def argument(value: object, *, what: str) -> Data:
    """Return a method's argument: a plain number as ``integer`` or, where that is too small, ``long`` ...

    Text is an octet string; ``type:value`` names the type, e.g. ``long:30``. None is integer 0, which is what
    the methods without a parameter take.
    """
    if value is None:
        return typed.integer(0)
    text = str(value)
    name, colon, rest = text.partition(":")
    if colon and name != "hex" and name.replace("-", "").isalnum():
        return typed_value(name, rest, what=what)
    try:
        number = int(text)
    except ValueError:
        return typed_value("octet-string", value, what=what)
    for tag in (DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG):
        low, high = INTEGER_RANGES[tag]
        if low <= number <= high:
            return Data(tag, number)
    return typed_value("long64", number, what=what)


def attribute_value(target: Target, attribute: str, number: int, data: Data) -> AttributeValue:
    """Return an answered GET as the role's value; logical names and clock times in the field's notation."""
    value: object
    try:
        if number == 1:
            value = obis_text(data.octets())
        elif target.class_id == 8 and number == 2:
            value = str(CosemDateTime.from_octets(data.octets()))
        else:
            value = plain(data)
    except ValueError:
        value = plain(data)
    return AttributeValue(object=target.name, attribute=attribute, value=value, type=data.tag.label)


def register_reading(name: str, value: Data, scaler_unit: Data) -> RegisterReading:
    """Return a register's reading from its attributes 2 and 3.

    Raises RemoteProtocolError where they are not what the class says they are.
    """
    parts = scaler_unit.items()
    if len(parts) != 2:
        raise RemoteProtocolError(f"scaler_unit of {name} has {len(parts)} parts, not 2", clause="class 3")
    scaler = parts[0].integer()
    raw = value.plain()
    if isinstance(raw, float):
        scaled = Decimal(str(raw)).scaleb(scaler)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        scaled = Decimal(raw).scaleb(scaler)
    else:
        raise RemoteProtocolError(f"value of {name} is {value.tag.label}, not a number", clause="class 3")
    return RegisterReading(
        name=name, value=scaled, unit=unit_symbol(parts[1].integer()), raw=int(raw), scaler=scaler
    )


def object_list(data: Data, profile: Profile) -> ObjectList:
    """Return the object list attribute as rows.

    Raises RemoteProtocolError where the attribute does not have the shape of class 15, attribute 2.
    """
    names = {(entry.class_id, entry.obis): entry.name for entry in profile.objects}
    rows: list[ListedObject] = []
    for element in data.items():
        parts = element.items()
        if len(parts) != 4:
            raise RemoteProtocolError(
                f"an object list element has {len(parts)} parts, not 4", clause="class 15"
            )
        class_id, version = parts[0].integer(), parts[1].integer()
        octets = parts[2].octets()
        if len(octets) != 6:
            raise RemoteProtocolError(f"a logical name has {len(octets)} octets, not 6", data=octets)
        rights = parts[3].items()
        known = bool(rights) and bool(rights[0].items())
        readable, writable = _rights(rights[0]) if known else ((), ())
        obis = obis_text(octets)
        rows.append(
            ListedObject(
                logical_name=obis,
                class_id=class_id,
                version=version,
                readable=readable,
                writable=writable,
                name=names.get((class_id, obis), ""),
                rights_known=known,
            )
        )
    return ObjectList(count=len(rows), objects=tuple(rows))


def _rights(attributes: Data) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return (readable, writable) attribute numbers of one object's access rights.

    Association LN versions 0 to 2 give an enum (1 read, 2 write, 3 both; 4 to 6 the same, authenticated);
    version 3 gives bits (0x01 read, 0x02 write) in the same place with larger numbers.
    """
    readable: list[int] = []
    writable: list[int] = []
    for right in attributes.items():
        parts = right.items()
        number, mode = parts[0].integer(), parts[1].integer()
        bits = {4: 1, 5: 2, 6: 3}.get(mode, mode & 3)
        if bits & 1:
            readable.append(number)
        if bits & 2:
            writable.append(number)
    return tuple(readable), tuple(writable)
