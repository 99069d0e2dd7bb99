"""Which path of a bench hangs on which channel of its switch, as data: a lab's own wiring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from adapters.profiles.model import Strict


class PathEntry(Strict):
    """One path; ``assumed`` where the number is an example and not somebody's wiring."""

    channel: int = Field(ge=0, le=99999)
    assumed: bool = False
    note: str = ""


def _bare_number(value: object) -> object:
    """Take ``antenna: 1`` for ``antenna: {channel: 1}``; YAML scalars come as text."""
    return {"channel": value} if isinstance(value, str | int) else value


class PathsProfile(Strict):
    """The paths of a bench by name; they are closed (connected) unless somebody opens them."""

    profile: str
    title: str
    protocol: Literal["paths"]
    paths: dict[str, Annotated[PathEntry, BeforeValidator(_bare_number)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _channels_are_unique(self) -> PathsProfile:
        seen: dict[int, str] = {}
        for name, entry in self.paths.items():
            other = seen.setdefault(entry.channel, name)
            if other != name:
                raise ValueError(f"paths {other} and {name} both hang on channel {entry.channel}")
        return self
