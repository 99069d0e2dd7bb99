"""The part of a DLMS meter's role that reads load profiles, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from adapters.roles.base import Anything

ProfileFlaw = Literal["", "unknown-selector", "wrong-parameters"]
TimeOf = Literal["local", "utc"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileColumn:
    """One captured object. ``unit`` and ``scaler`` are those the meter tells; values are scaled already."""

    # The profile's name for it, or class/A-B:C.D.E.F; with .attribute where it is not the value,
    # and [n] where it is the n-th element of the attribute.
    name: str
    class_id: int
    logical_name: str
    attribute: int
    unit: str = ""
    scaler: int = 0
    element: int = 0  # data_index: 0 is the whole attribute


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileRow:
    """One row: when (UTC), what the interval was like, and the values of the remaining columns in order.

    ``time`` or ``status`` is None where that column was not asked for. Numbers are Decimal, times datetime,
    other octets hexadecimal text.
    """

    time: datetime | None
    status: int | None
    values: tuple[Anything, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileRead:
    """Rows of a profile-generic object, in the order in which the meter sent them."""

    object: str
    period_s: int  # 0 where rows are not taken by time
    columns: tuple[ProfileColumn, ...]  # of ``values``: without the clock and the status
    count: int
    first: datetime | None = None  # times of the first and of the last row
    last: datetime | None = None
    rows: tuple[ProfileRow, ...] = field(repr=False)

    def column(self, name: str) -> tuple[Anything, ...]:
        """Return the values of one column. Raises KeyError."""
        for at, each in enumerate(self.columns):
            if each.name == name:
                return tuple(row.values[at] for row in self.rows)
        raise KeyError(name)


class DlmsProfiles(Protocol):
    """Load profiles of a DLMS meter."""

    def read_profile(
        self,
        object: str,
        since: datetime | None = None,
        until: datetime | None = None,
        first_entry: int = 0,
        last_entry: int = 0,
        columns: tuple[str, ...] = (),
        association: str = "",
        flaw: ProfileFlaw = "",
        told_in: TimeOf = "local",
    ) -> ProfileRead:
        """Read rows of a class 7 object: a range of time, a range of entries, or all of it.

        ``since`` and ``until`` are both included (selector 1); a missing end is as far as the calendar
        goes. ``first_entry`` and ``last_entry`` count from 1, the oldest; 0 as the last means to the end
        (selector 2). ``columns`` are names of captured objects, by entry only neighbouring ones. ``flaw``
        spoils the selection on purpose: a selector class 7 does not have, or parameters of another shape.
        ``told_in`` is whose time the ends of a range are written in, with its deviation beside it.
        """
        ...
