"""The words of the stand-in link: commands, levels, classes, switch positions, reasons of a refusal.

Each has a number, as it travels, and a word, as plans and reports write it. Words are the field's own (the
Field Tools pages); the numbers are ours.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import TypeVar

from adapters.errors import LocalProtocolError, RemoteProtocolError

W = TypeVar("W", bound="Word")


class Word(IntEnum):
    """A number with a word: ``Level.FULL_SECURITY.word == "full-security"``."""

    @property
    def word(self) -> str:
        """Return the word plans use."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls: type[W], word: str) -> W:
        """Return the member a word stands for. Raises LocalProtocolError naming those there are."""
        for member in cls:
            if member.word == word:
                return member
        known = ", ".join(member.word for member in cls)
        raise LocalProtocolError(f"no {cls.__name__.lower()} is called {word!r}; there are {known}")

    @classmethod
    def from_octet(cls: type[W], octet: int) -> W:
        """Return the member with this number. Raises RemoteProtocolError."""
        try:
            return cls(octet)
        except ValueError:
            raise RemoteProtocolError(f"{octet} stands for no {cls.__name__.lower()}") from None


@unique
class Command(Word):
    """An entry of the action command menu; reading is one, and travels as a request of its own."""

    READ = 1
    CHECK = 2
    PROGRAM = 3
    RESET = 4
    CONNECT = 5
    DISCONNECT = 6
    OPEN_SESSION = 7
    CLOSE_SESSION = 8

    @property
    def word(self) -> str:
        """Return the word plans use."""
        return self.name.lower()


@unique
class SecurityClass(Word):
    """Which of the three security features an endpoint was made with."""

    BASIC = 1
    ENHANCED = 2
    NETWORK_MODE = 3


@unique
class Level(Word):
    """At which level an endpoint operates; only enhanced endpoints can be set to more than one."""

    BASIC = 0
    READY_TO_SECURE = 1
    COMMAND_SECURITY = 2
    FULL_SECURITY = 3
    NETWORK_MODE = 4


@unique
class Switch(Word):
    """The service switch as the endpoint reports it."""

    NONE = 0
    CONNECTED = 1
    DISCONNECTED = 2
    UNKNOWN = 3  # there may be one, but it cannot be read


@unique
class Reason(Word):
    """Why an endpoint refuses.

    The first three say that material is missing, the next two that the material is no good; the last two
    have nothing to do with material.
    """

    SECURE_COMMAND_REQUIRED = 1
    SESSION_REQUIRED = 2
    KEY_REQUIRED = 3
    BAD_AUTHORIZATION = 4
    EXPIRED = 5
    NOT_AVAILABLE = 6
    MALFORMED = 7
