"""The load profiles and logs of a meter nobody told us about: a few rows of each, read in two ways."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.errors import Refused, RemoteProtocolError
from adapters.roles import DlmsMeter, ListedObject
from harness.actions import procedure
from harness.steps import Steps
from testplans.dlms import profile_words as words

PROFILE_GENERIC, BUFFER = 7, 2


@dataclass(frozen=True, kw_only=True)
class ProfilesFound:
    """How many class 7 objects the list has, how many gave rows, and how many broke what they claim."""

    listed: int
    read: int
    empty: int
    without_selection: int  # those that refuse selective access, which the standard allows
    broken: int


@procedure("check_profiles")
def check_profiles(run: Steps, *, meter: DlmsMeter, association: str, rows: int = 3) -> ProfilesFound:
    """Read the newest ``rows`` of every class 7 object by number and again by their times.

    Reads only, and never a whole buffer, so it is harmless on a live meter. Every row has as many columns as
    are captured; what comes by number comes by time as well; nothing comes from outside the range.
    """
    found = [each for each in meter.list_objects(association).objects if each.class_id == PROFILE_GENERIC]
    empty = refused = read = 0
    broken: list[str] = []
    for each in found:
        if each.rights_known and BUFFER not in each.readable:
            refused += 1
            continue
        try:
            present, complaint = _look(meter, each, association, rows)
        except Refused:
            refused += 1
            continue
        except RemoteProtocolError as error:
            present, complaint = 1, str(error)
        read, empty = read + (present > 0), empty + (present == 0)
        if complaint:
            broken.append(f"{each.name or each.logical_name}: {complaint}")
    run.check(
        "every profile keeps what it claims",
        expected="no complaint",
        actual="; ".join(broken[:5]) or "no complaint",
    )
    return ProfilesFound(
        listed=len(found), read=read, empty=empty, without_selection=refused, broken=len(broken)
    )


def _look(meter: DlmsMeter, listed: ListedObject, association: str, rows: int) -> tuple[int, str]:
    """Return how many rows there were to read, and what is wrong with them ("" for nothing)."""
    name = f"{PROFILE_GENERIC}/{listed.logical_name}"
    in_use = words.number(meter, name, "entries_in_use", association)
    capacity = words.number(meter, name, "profile_entries", association)
    if capacity and in_use > capacity:
        return in_use, f"{in_use} rows in use where there is room for {capacity}"
    if not in_use:
        return 0, ""
    first = max(in_use - rows + 1, 1)
    newest = meter.read_profile(name, first_entry=first, last_entry=in_use, association=association)
    if newest.count != in_use - first + 1:
        return in_use, f"{newest.count} rows for the numbers {first} to {in_use}"
    stamps = words.times(newest)
    if len(stamps) < newest.count:
        return in_use, ""  # without times there is no range to compare with
    since, until = min(stamps), max(stamps)
    again = meter.read_profile(name, since=since, until=until, association=association)
    outside = [at for at in words.times(again) if not since <= at <= until]
    if outside:
        return in_use, f"rows from outside the range: {words.said(outside)}"
    lost = [row for row in newest.rows if row not in again.rows]
    return in_use, f"{len(lost)} rows that come by number do not come by time" if lost else ""
