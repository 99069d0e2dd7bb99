"""Whether the entries of an ANSI profile fit each other: every name that is used is one that is there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters.profiles.ansi import ALL, AnsiLevel, AnsiProfile, AnsiTable
from adapters.profiles.layout import FieldEntry, paths, standard_layouts
from adapters.yaml_messages import shown, suggest

REQUIRED_TABLES = ("general_configuration", "manufacturer_identification")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake at a place of the profile; ``key``: it is about the key there, not its value."""

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    key: bool = False


def mistakes_in(profile: AnsiProfile) -> Iterator[Mistake]:
    """Yield every mistake that only shows when the entries are seen together."""
    for name in REQUIRED_TABLES:
        if name not in profile.tables:
            yield Mistake(path=("tables",), message=f"table `{name}` is missing", hint="every meter has it")
    yield from _tables(profile)
    for path, table, field in _fields_used(profile):
        yield from _field_used(profile, path, table, field)
    for name, level in {"": profile.without_password, **profile.levels}.items():
        yield from _rights(profile, ("levels", name) if name else ("without_password",), level)
    if profile.switch is not None:
        for key in ("open_procedure", "close_procedure"):
            yield from _known(("switch", key), getattr(profile.switch, key), profile.procedures, "procedure")
    if profile.events is not None:
        yield from _known(("events", "table"), profile.events.table, profile.tables, "table")
    if profile.default_level:
        yield from _known(("default_level",), profile.default_level, profile.levels, "level")
    if profile.load_profile is not None:
        for index, name in enumerate(profile.load_profile.channels):
            yield from _known(("load_profile", "channels", index), name, profile.registers, "register")


def _tables(profile: AnsiProfile) -> Iterator[Mistake]:
    known, seen = standard_layouts(), dict[int, str]()
    for name, table in profile.tables.items():
        here = ("tables", name)
        if table.number in seen:
            yield Mistake(
                path=(*here, "number"), message=f"table `{seen[table.number]}` has this number already"
            )
        seen[table.number] = name
        if table.layout is not None:
            yield from _known((*here, "layout"), table.layout, known, "layout")
            if table.fields:
                yield Mistake(
                    path=here, message="`layout` and `fields` together", hint="give one of them", key=True
                )
        standard = known.get(table.layout or name)
        if table.layout is None and not table.fields and standard and standard.number != table.number:
            yield Mistake(
                path=(*here, "number"),
                message=f"the standard table `{name}` is ST{standard.number}",
                hint="choose another name, or say which `layout` it has",
            )
        yield from _changes(here, table, table.fields or (standard.fields if standard else ()))


def _changes(here: tuple[str, ...], table: AnsiTable, fields: tuple[FieldEntry, ...]) -> Iterator[Mistake]:
    names = [entry.name for entry in fields]
    for key in ("sizes", "offsets"):
        for field in getattr(table, key):
            if field not in names:
                yield Mistake(
                    path=(*here, key, field),
                    message=f"the table has no field `{shown(field)}`",
                    hint=suggest(field, names),
                    key=True,
                )
    for entry in table.more_fields:
        if entry.name in names:
            yield Mistake(path=(*here, "more_fields"), message=f"field `{entry.name}` is there already")


def _fields_used(profile: AnsiProfile) -> Iterator[tuple[tuple[str, ...], str, dict[str, str]]]:
    for name, register in profile.registers.items():
        yield ("registers", name), register.table, {"field": register.field}
    for key in ("serial", "model"):
        place = getattr(profile.identity, key)
        yield ("identity", key), place.table, {"field": place.field}
    if profile.switch is not None:
        fields = {"field": profile.switch.field}
        if profile.switch.operations is not None:
            fields["operations"] = profile.switch.operations
        yield ("switch",), profile.switch.table, fields


def _field_used(
    profile: AnsiProfile, here: tuple[str, ...], table: str, fields: dict[str, str]
) -> Iterator[Mistake]:
    if table not in profile.tables:
        yield from _known((*here, "table"), table, profile.tables, "table")
        return
    layout = profile.layout_of(table)
    if layout is None and profile.tables[table].layout is not None:
        return  # a layout nobody knows, which is reported where it is named
    if layout is None:
        yield Mistake(
            path=(*here, "table"),
            message=f"nothing says how table `{table}` is laid out",
            hint="add its `fields`",
        )
        return
    known = list(paths(layout.fields))
    for key, field in fields.items():
        plain = re.sub(r"\[\d+\]", "", field)
        if plain not in known:
            yield Mistake(
                path=(*here, key),
                message=f"table `{table}` has no field `{shown(plain)}`",
                hint=suggest(plain, known),
            )


def _rights(profile: AnsiProfile, here: tuple[str, ...], level: AnsiLevel) -> Iterator[Mistake]:
    for key, known in (("read", profile.tables), ("write", profile.tables), ("run", profile.procedures)):
        for index, name in enumerate(getattr(level, key)):
            if name != ALL:
                yield from _known((*here, key, index), name, known, "table" if key != "run" else "procedure")


def _known(path: tuple[str | int, ...], name: str, known: Iterable[str], what: str) -> Iterator[Mistake]:
    if name not in known:
        yield Mistake(
            path=path, message=f"the profile has no {what} `{shown(name)}`", hint=suggest(name, known)
        )
