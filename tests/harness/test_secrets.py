"""Secrets by reference: fetched from where the bench file points, shown nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from adapters.errors import BenchError
from adapters.registry import Secret
from harness import secrets

KEY = "000102030405060708090A0B0C0D0E0F"


def test_fetch_env_key_is_hexadecimal() -> None:
    """A name that ends in key is read as hexadecimal."""
    found = secrets.fetch("meter.encryption_key", "env:EK", {"EK": KEY})
    assert bytes(range(16)) == found.reveal()


def test_fetch_env_password_is_text() -> None:
    """A password is the text itself, leading zeros and all."""
    assert secrets.fetch("meter.password", "env:PW", {"PW": "00012345"}).reveal() == b"00012345"


def test_fetch_prefixes_override_the_name() -> None:
    """hex: and text: say how to read the value, whatever the name."""
    assert secrets.fetch("meter.password", "env:PW", {"PW": "hex:00ff"}).reveal() == b"\x00\xff"
    assert secrets.fetch("m.key", "env:K", {"K": "text:sixteen octets!!"}).reveal() == b"sixteen octets!!"


def test_fetch_env_missing_names_the_variable() -> None:
    """What is missing is named."""
    with pytest.raises(BenchError, match="PW_OF_METER is not set"):
        secrets.fetch("meter.password", "env:PW_OF_METER", {})


def test_fetch_bad_hexadecimal_does_not_repeat_it() -> None:
    """The value never appears in a message."""
    with pytest.raises(BenchError) as caught:
        secrets.fetch("meter.encryption_key", "env:EK", {"EK": "c0ffee-not-hex"})
    assert "c0ffee" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_fetch_literal_is_refused_without_repeating_it() -> None:
    """A secret in the file itself is refused and not echoed."""
    with pytest.raises(BenchError) as caught:
        secrets.fetch("meter.password", "hunter2", {})
    assert "hunter2" not in str(caught.value)


def test_fetch_file_private_is_read(tmp_path: Path) -> None:
    """A file only its owner can read is taken, without its line end."""
    path = tmp_path / "pw"
    path.write_text("12345678\n")
    path.chmod(0o600)
    assert secrets.fetch("meter.password", f"file:{path}").reveal() == b"12345678"


def test_fetch_file_readable_by_others_is_refused(tmp_path: Path) -> None:
    """A key that everybody can read is no secret."""
    path = tmp_path / "pw"
    path.write_text("12345678")
    path.chmod(0o644)
    with pytest.raises(BenchError, match="can be read by others"):
        secrets.fetch("meter.password", f"file:{path}")


def test_secret_shows_itself_nowhere() -> None:
    """Neither repr nor str nor a format nor a pickle gives it away."""
    secret = Secret(b"hunter2")
    assert "hunter2" not in f"{secret!r} {secret} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
