"""What each security level lets anybody do, as a table: the source of the whole permission matrix.

From "Understand Meter and ERT Security Levels"; ``OPEN`` is what the pages say nothing of, so that no device
is blamed for its answer there. The columns: without material and with the right material, and both once more
in an open session.
"""

from __future__ import annotations

from typing import Final, Literal

from adapters.roles import Command
from testplans.secured.attempts import DONE, SEALED

Level = Literal["basic", "ready-to-secure", "command-security", "full-security", "network-mode"]
Column = Literal["no material", "material", "session, no material", "session, material"]

OPEN: Final = ""  # the pages leave it open: told in the report, judged by the trace it leaves alone
COLUMNS: Final[tuple[Column, ...]] = (
    "no material",
    "material",
    "session, no material",
    "session, material",
)
_MENU: Final[tuple[Command, ...]] = ("check", "program", "reset")
_SWITCH: Final[tuple[Command, ...]] = ("disconnect", "connect")
_NO, _COMMAND, _SESSION = "not-available", "secure-command-required", "session-required"

Cells = tuple[str | None, ...]  # one for each column; None where there is nothing to try


def _level(
    *,
    read: Cells,
    menu: Cells,
    switch: Cells,
    open_session: Cells,
    close_session: Cells,
) -> dict[Command, Cells]:
    return {
        "read": read,
        **dict.fromkeys(_MENU, menu),
        **dict.fromkeys(_SWITCH, switch),
        "open_session": open_session,
        "close_session": close_session,
    }


MATRIX: Final[dict[Level, dict[Command, Cells]]] = {
    "basic": _level(
        read=(DONE, DONE),
        menu=(DONE, OPEN),
        switch=(_NO, _NO),
        open_session=(_NO, _NO),
        close_session=(_NO, None),
    ),
    "ready-to-secure": _level(
        read=(DONE, DONE),
        menu=(DONE, OPEN),
        switch=(_NO, _NO),
        open_session=(_NO, _NO),
        close_session=(_NO, None),
    ),
    "command-security": _level(
        read=(DONE, DONE, DONE, DONE),
        menu=(_COMMAND, DONE, DONE, DONE),
        switch=(_COMMAND, DONE, _COMMAND, DONE),
        open_session=(_COMMAND, DONE, _COMMAND, DONE),
        close_session=(_SESSION, None, DONE, None),
    ),
    "full-security": _level(
        read=(SEALED, DONE, SEALED, DONE),
        menu=(_COMMAND, DONE, DONE, DONE),
        switch=(_COMMAND, DONE, _COMMAND, DONE),
        open_session=(_COMMAND, DONE, _COMMAND, DONE),
        close_session=(_SESSION, None, DONE, None),
    ),
    "network-mode": _level(
        read=(_SESSION, _SESSION, DONE, DONE),
        menu=(_SESSION, _SESSION, DONE, OPEN),
        switch=(_SESSION, _SESSION, DONE, OPEN),
        open_session=(_COMMAND, DONE, _COMMAND, DONE),
        close_session=(_SESSION, None, DONE, None),
    ),
}
