"""Starts ``termineter_client.py`` and asks it to read a meter. Knows JSON, not termineter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tests.oracles.program import ForeignError, ForeignProgram


class TermineterError(ForeignError):
    """The termineter client reported a failure."""


class Termineter(ForeignProgram):
    """The other process."""

    script: ClassVar[Path] = Path(__file__).with_name("termineter_client.py")
    error: ClassVar[type[ForeignError]] = TermineterError
