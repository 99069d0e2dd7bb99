"""What a module and its two servers say to each other over the cellular network. All of it is assumed.

The user guide names the messages and their order, not their form. They are values, not octets: nothing of
them crosses a wire a bench could reach. A message is a datagram; whoever needs an answer waits and repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "authentication failed", "not understood"]


@dataclass(frozen=True, kw_only=True)
class Message:
    """Anything that is said about a unit; ``unit`` is the serial number on its name plate."""

    unit: str


# -- with the configuration server


@dataclass(frozen=True, kw_only=True)
class AutoConfiguration(Message):
    """The module asks for its customer's parameters."""


@dataclass(frozen=True, kw_only=True)
class CustomerParameters(Message):
    """The configuration server writes them; one of them is the PIN."""

    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ParametersStored(Message):
    """The module has them in its non-volatile memory."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Confirmation(Message):
    """The module has been registered by its TMS."""


@dataclass(frozen=True, kw_only=True)
class ConfirmationTaken(Message):
    """The configuration server has taken note."""


# -- with TMS


@dataclass(frozen=True, kw_only=True)
class AutoRegistration(Message):
    """A configured module announces itself, and says whether it has been provisioned already."""

    module_version: str
    provisioned: bool


@dataclass(frozen=True, kw_only=True)
class RegistrationProcessed(Message):
    """TMS has added the unit to its Master List, or updated it there."""


@dataclass(frozen=True, kw_only=True)
class Transaction(Message):
    """TMS asks the module for something; the PIN stands for the right to do so."""

    number: int
    name: str
    pin: str = field(repr=False)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TransactionAnswer(Message):
    """What came of a transaction."""

    number: int
    outcome: Outcome
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WakeUp(Message):
    """Is the module there? Needs no PIN."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Awake(Message):
    """It is."""

    number: int


@dataclass(frozen=True, kw_only=True)
class MeterData(Message):
    """A reading as the meter has it: a plain count, which only a provisioned TMS knows how to read."""

    raw: int


@dataclass(frozen=True, kw_only=True)
class PowerFailure(Message):
    """The last the module says when its supply goes."""
