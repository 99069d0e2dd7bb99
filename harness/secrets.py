"""Secrets of a bench: named in the file, fetched from the environment, a private file or the keyring.

A bench file never holds a secret itself. A value fetched may be written ``hex:0011..``, ``text:...`` or
plain; plain text is hexadecimal for names that end in ``key`` and the text itself for passwords.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from adapters.errors import BenchError
from adapters.registry import Secret


def fetch(name: str, reference: str, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the secret ``reference`` points at (``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``).

    Raises BenchError naming the reference, never the value.
    """
    kind, _, where = reference.partition(":")
    match kind:
        case "env":
            text = (os.environ if environment is None else environment).get(where)
            if text is None:
                raise BenchError(f"secret {name}: the environment variable {where} is not set")
        case "file":
            text = _from_file(name, Path(where).expanduser())
        case "keyring":
            text = _from_keyring(name, where)
        case _:
            raise BenchError(f"secret {name}: expected env:, file: or keyring:, never the secret itself")
    return from_text(name, text.rstrip("\r\n"))


def from_text(name: str, text: str) -> Secret:
    """Return a secret written as text. Raises BenchError, without the text, when it is not hexadecimal."""
    if text.startswith("text:"):
        return Secret(text[5:].encode())
    hexadecimal = text.startswith("hex:") or name.endswith("key")
    if not hexadecimal:
        return Secret(text.encode())
    try:
        return Secret(bytes.fromhex(text.removeprefix("hex:")))
    except ValueError:
        raise BenchError(f"secret {name}: the value is not hexadecimal") from None


def _from_file(name: str, path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"secret {name}: cannot read {path}: {type(error).__name__}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BenchError(f"secret {name}: {path} can be read by others; chmod 600 it")
    return text


def _from_keyring(name: str, where: str) -> str:
    service, _, user = where.partition("/")
    try:
        import keyring  # an optional extra: headless machines have no keyring
    except ImportError:
        raise BenchError(f"secret {name}: keyring: needs the package 'keyring' installed") from None
    text = keyring.get_password(service, user)
    if text is None:
        raise BenchError(f"secret {name}: the keyring has no password for {service}/{user}")
    return str(text)
