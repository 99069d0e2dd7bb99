"""Runs a foreign client as a separate process and asks it in JSON lines. Knows JSON, not the client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self


class ForeignError(Exception):
    """The foreign client reported a failure; ``kind`` is the type of its exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class ForeignProgram:
    """The other process. Use it as a context manager; a subclass says which ``script`` it is."""

    script: ClassVar[Path]
    error: ClassVar[type[ForeignError]] = ForeignError

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(self.script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """Return the answer to one request. Raises ``error``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise self.error("Died", f"exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise self.error(answer["error"], answer["message"])
        return answer
