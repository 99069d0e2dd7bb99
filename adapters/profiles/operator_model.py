"""What a person is told and asked when he stands in for an adapter, as data: one file a role.

A task of the profile belongs to a method of the role: where to go (the menu path), what to do there, and how
the fields of the method's result are to be read off. What the profile leaves out is made from the role
itself: a method without a task is asked for by its docstring, a field without an entry by its name. The
shipped files lie in ``operator/``; a lab copies one, writes the menus of its own version into it, and names
the copy in its bench file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from adapters.errors import ConfigError
from adapters.profiles.model import Sourced, Strict
from adapters.yaml_file import load_model

_SHIPPED = Path(__file__).parent / "operator"
_NAME = r"[a-z][a-z0-9_]*"
_KNOWN_BY = re.compile(
    rf"clock|earlier|nothing|(?:count|first) {_NAME}|each {_NAME}\.{_NAME}|span {_NAME} {_NAME}|always .+"
)


def _known_by(text: str) -> str:
    if not _KNOWN_BY.fullmatch(text):
        raise ValueError(
            f"`{text}` is no way to know a field; expected clock, earlier, nothing, always TEXT, count F, "
            "first F, each F.G or span F G"
        )
    return text


KnownBy = Annotated[str, AfterValidator(_known_by)]
"""How the harness knows a field without asking:

``clock``               the time at which the person said that he had done it
``earlier``             as in the last result about the same thing; asked where there was none
``nothing``             it keeps the default of its type
``always TEXT``         it can be nothing else here
``count F``, ``first F``  the number of entries of the field F, the first one up to its colon
``each F.G``            the different values of G in the entries of F, in their order
``span F G``            the seconds from F to G, or to now where G is not known yet
"""

Choices = Annotated[
    dict[str, str],
    BeforeValidator(lambda given: dict.fromkeys(given, "") if isinstance(given, list) else given),
]

Values = Annotated[
    tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)
]


class Instruction(Strict):
    """One thing to do. ``when`` and ``unless`` name arguments and the values they must, must not have.

    ``secret`` names the bench's secret the person needs for it: he is told where the bench keeps it, never
    what it is.
    """

    do: str = Field(min_length=1)
    when: dict[str, Values] = Field(default_factory=dict)
    unless: dict[str, Values] = Field(default_factory=dict)
    secret: str = ""


class AskedField(Strict):
    """How one field of a result is asked for."""

    ask: str = ""  # the question; empty: the field's name
    help: str = ""  # what ``?`` tells
    choices: Choices = Field(default_factory=dict)  # of a text: the words it may be, and their meaning
    only_if: dict[str, Values] = Field(default_factory=dict)  # asked only where other answers are these
    columns: dict[str, Choices] = Field(
        default_factory=dict
    )  # of a list: the words each part of an entry may be
    known_by: KnownBy | None = None
    otherwise: str = ""  # what it is where it is not asked; empty: the default of its type

    @model_validator(mode="after")
    def _asked_or_known(self) -> AskedField:
        if self.known_by not in (None, "earlier") and (
            self.ask or self.choices or self.columns or self.only_if
        ):
            raise ValueError("a field that is known is not asked: remove either `known_by` or the question")
        return self


class Task(Sourced):
    """One method of the role, as something a person does."""

    where: str = ""  # the menu path, ``A > B``, or the place at the bench
    steps: tuple[Annotated[Instruction, BeforeValidator(lambda given: _instruction(given))], ...] = Field(
        min_length=1
    )
    done: str = ""  # what to confirm before anything is read off; empty: nothing
    confirm: str = ""  # the argument that names the device at stake, to be read off and typed before
    look: bool = False  # nothing changes by it: asked again it may be as before
    undo: str = ""  # the method that takes it back; it is asked for when the bench is made safe
    fields: dict[str, AskedField] = Field(default_factory=dict)


class OperatorProfile(Strict):
    """A role as a person plays it."""

    profile: str
    title: str
    role: str
    system: str = "the device"  # how the prompts call it
    documents: tuple[str, ...] = ()
    time_zone: str = ""  # of the times on its screens, e.g. America/New_York; empty: this computer's
    refusals: dict[str, str] = Field(default_factory=dict)  # the role's reasons, and how each shows
    tasks: dict[str, Task] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name:
            try:
                ZoneInfo(name)
            except (KeyError, OSError, ValueError):
                raise ValueError(f"`{name}` is no time zone; expected e.g. America/New_York, UTC") from None
        return name

    @model_validator(mode="after")
    def _undone_by_a_task(self) -> OperatorProfile:
        for name, task in self.tasks.items():
            if task.undo and task.undo not in self.tasks:
                raise ValueError(f"tasks.{name}: undo names `{task.undo}`, which is no task")
        return self


def shipped_operator_profiles() -> tuple[str, ...]:
    """Return the names of the operator's profiles that ship with the product: those of their roles."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.yaml")))


def load_operator_profile(name_or_path: str | Path) -> OperatorProfile:
    """Return the shipped profile of that name, or the one in that file.

    Raises ConfigError (ConfigErrors for several mistakes) with file, line and column.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = _SHIPPED / f"{name_or_path}.yaml"
        if not path.is_file():
            raise ConfigError(
                f"no operator profile is called {str(name_or_path)!r}",
                hint=f"shipped: {', '.join(shipped_operator_profiles())}; a file name ends in .yaml",
            )
    return load_model(path, OperatorProfile)


def _instruction(given: object) -> object:
    """Let a plain text stand for an instruction without conditions."""
    return {"do": given} if isinstance(given, str) else given


__all__ = [
    "AskedField",
    "Instruction",
    "KnownBy",
    "OperatorProfile",
    "Task",
    "load_operator_profile",
    "shipped_operator_profiles",
]
