"""Readout and programming of a meter at its optical port by IEC 62056-21 mode C, as words of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.profiles.model import ModeCData
from adapters.roles.base import hurts

ModeCPassword = Literal["right", "wrong", "longer", "empty", "none"]
Leaving = Literal["break", "hang-up"]


@dataclass(frozen=True, kw_only=True)
class ReadOutEntry:
    """One data set of a readout, as text: nothing is converted."""

    code: str
    value: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class ReadOut:
    """A data readout.

    ``damaged`` counts messages whose BCC was wrong, ``repeats`` those that came once more because we asked
    for them; ``repeats_agree`` is ``yes`` where each of them said the same.
    """

    manufacturer: str
    identification: str
    baud: int
    count: int
    data: tuple[ReadOutEntry, ...]
    damaged: int
    repeats: int
    repeats_agree: str


@dataclass(frozen=True, kw_only=True)
class ModeCDone:
    """What programming mode came to.

    ``password`` is ``accepted``, ``not given`` or the meter's error text; ``value`` and ``unit`` are what a
    read returned, ``acknowledged`` whether a write was; ``ended`` how the session ended (``break``,
    ``hung up``, or what the meter did).
    """

    password: str
    value: str
    unit: str
    acknowledged: bool
    ended: str


class DlmsModeC(Protocol):
    """Mode C at a serial link that begins with the sign-on. No association may be open on that link.

    Reasons of Refused: ``silence`` (asked for another address, a repeat not sent), ``mode-c`` (the meter's
    error message or a NAK), ``disconnected`` (it broke the session off).
    """

    def mode_c_data(self) -> tuple[ModeCData, ...]:
        """Return the data sets the profile lists for a readout."""
        ...

    def read_out(self, link: str = "", address: str = "", ask_again: int = 0) -> ReadOut:
        """Read out the meter (sign-on, option 0). ``ask_again`` asks so often for the same message again.

        An ``address`` other than the meter's is met with silence: Refused where the meter answers a sign-on
        for anyone right afterwards.
        """
        ...

    def read_by_mode_c(
        self,
        data: str,
        link: str = "",
        password: ModeCPassword = "none",
        leave: Leaving = "break",
        idle_s: float = 0.0,
    ) -> ModeCDone:
        """Read one data set in programming mode (R1); ``hang-up`` leaves the session without a word.

        A wrong ``password`` differs from the right one in its last character, a ``longer`` one has one
        character more; an ``empty`` one is given without any, where ``none`` is not given at all. ``idle_s``
        is how long nothing is said before the read.
        """
        ...

    @hurts("configure")
    def write_by_mode_c(
        self, data: str, value: str, link: str = "", password: ModeCPassword = "right"
    ) -> ModeCDone:
        """Write one data set in programming mode (W1)."""
        ...

    def guess_by_mode_c(self, link: str = "", attempts: int = 3) -> ModeCDone:
        """Present a wrong password so many times in one session, or until the meter ends it."""
        ...
