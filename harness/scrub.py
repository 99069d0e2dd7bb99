"""Keeps secrets and hostile text out of everything a run leaves behind.

Two jobs, always in this order. First a secret is taken out in whatever notation a log, a traceback or a
hex dump may carry it. Then characters that could hide, reorder or break a report (terminal escapes, NUL,
bidirectional overrides, lone surrogates) become visible escapes, because one lone surrogate in a device's
name is enough to lose a whole JUnit file.

Searching must cost next to nothing, since every text of every step passes: a secret is looked for by plain
substring tests in the text as it is, in the text without separators and in the text without blanks; the
regular expression that replaces it runs only when one of them hits. Links say the same things again and
again, so what became of the latest short pieces is remembered.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

Text = TypeVar("Text", str, bytes)
SHORTEST_SECRET = 4  # fewer characters than that occur by chance in every measurement
LIMIT = 20_000

_SEPARATORS = " \t\r\n:-_.,;%\\/|[](){}'\""
_DROP_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_DROP_BLANKS = str.maketrans("", "", " \t\r\n[](){}")
_NOT_ASCII = "not ascii"
# A notation that needs one of these characters is looked for only in a text that has it.
_MARKS = ("\\", "%", "&", _NOT_ASCII, "")
_BETWEEN_OCTETS = r"(?:[\s:\-_.,;%\\/|'\"\[\](){}]|0x|\\x){0,8}"
_REMEMBERED, _REMEMBERED_LENGTH = 4096, 400  # pieces, and the characters or octets of the longest
_SHORT = 400  # up to here a look at every place of a text is quicker than a search for every short notation
_PIECE, _STRIDE = 8, 13  # characters of a piece of a long notation, and from one look to the next
_HOSTILE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)


def visible(text: str, limit: int = LIMIT) -> str:
    """Return ``text`` with characters that harm a terminal, XML or JSON as escapes, cut to ``limit``."""
    if len(text) > limit:
        text = f"{text[:limit]} ... ({len(text) - limit} more characters)"
    if text.isprintable() and text.isascii():
        return text
    return _HOSTILE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class Scrubber:
    """Knows the secrets of a bench and takes them out of texts and octets."""

    def __init__(self, secrets: Mapping[str, str | bytes] | None = None) -> None:
        self._secrets: dict[str, _Secret] = {}
        self._hexadecimal: _Needles[str] = _Needles()
        self._decimal: _Needles[str] = _Needles()
        self._written: dict[str, _Needles[str]] = {mark: _Needles() for mark in _MARKS}
        self._raw: _Needles[bytes] = _Needles()
        self._latest = lru_cache(maxsize=_REMEMBERED)(self._redacted)
        self._latest_octets = lru_cache(maxsize=_REMEMBERED)(self._blanked)
        for name, secret in (secrets or {}).items():
            self.add(name, secret)

    def add(self, name: str, secret: str | bytes) -> None:
        """Take note of a secret. Hexadecimal text also stands for the octets it writes."""
        known = _Secret(name, secret)
        if not known.octets or name in self._secrets:
            return
        self._secrets[name] = known
        self._latest.cache_clear()
        self._latest_octets.cache_clear()
        for octets in known.octets:
            self._hexadecimal.add(octets.hex(), name)
            self._decimal.add(",".join(map(str, octets)), name)
        for raw in known.raw:
            self._raw.add(raw, name)
        for text in known.texts:
            mark = next((m for m in _MARKS[:3] if m in text), "" if text.isascii() else _NOT_ASCII)
            self._written[mark].add(text, name)

    def text(self, text: str, limit: int = LIMIT) -> str:
        """Return ``text`` without secrets, with hostile characters visible, cut to ``limit`` characters."""
        return visible(self.redact(text), limit)

    def redact(self, text: str) -> str:
        """Return ``text`` without secrets and otherwise as it is."""
        if not self._secrets or len(text) < SHORTEST_SECRET:
            return text
        return self._latest(text) if len(text) <= _REMEMBERED_LENGTH else self._redacted(text)

    def _redacted(self, text: str) -> str:
        for name in self._suspects(text):
            secret = self._secrets[name]
            text = secret.pattern.sub(secret.replacement, text)
        return text

    def _suspects(self, text: str) -> list[str]:
        """Return the names of the secrets that may be written in ``text``, by substring tests alone."""
        compact = text.translate(_DROP_SEPARATORS).lower()
        found = self._hexadecimal.names_in(compact)
        # "0x11, 0x22" and the escapes of a repr keep their x where the separators are gone.
        if "0x" in compact:
            found |= self._hexadecimal.names_in(compact.replace("0x", ""))
        if "\\x" in text:
            found |= self._hexadecimal.names_in(compact.replace("x", ""))
        if "," in text:
            found |= self._decimal.names_in(text.translate(_DROP_BLANKS))
        for mark, needles in self._written.items():
            if not mark or (mark in text if mark != _NOT_ASCII else not text.isascii()):
                found |= needles.names_in(text)
        return [name for name in self._secrets if name in found] if found else []

    def octets(self, data: bytes) -> bytes:
        """Return ``data`` of the same length with secrets, and their hexadecimal text, blanked by ``*``."""
        if not self._secrets or len(data) < SHORTEST_SECRET:
            return data
        return self._latest_octets(data) if len(data) <= _REMEMBERED_LENGTH else self._blanked(data)

    def _blanked(self, data: bytes) -> bytes:
        found = self._raw.names_in(data)
        if not found:
            return data
        for secret in self._secrets.values():
            for variant in secret.raw:
                if variant in data:
                    data = data.replace(variant, b"*" * len(variant))
        return data

    def attachment(self, data: bytes, mime: str) -> bytes:
        """Return an attachment's body without secrets: as text where it is text, else of the same length."""
        if not mime.startswith("text/") and mime not in ("application/json", "application/xml"):
            return self.octets(data)
        text = data.decode("utf-8", "surrogateescape")
        return visible(self.redact(text), limit=1 << 30).encode("utf-8", "backslashreplace")


class _Needles(Generic[Text]):
    """What to look for, and whose it is.

    There may be a thousand notations, and most texts hold none. A long notation leaves one of its first
    ``_STRIDE`` pieces at one of the places of a text that are ``_STRIDE`` apart, so only those are looked
    at, for all long notations at once. Short ones are looked for by their start at every place of a short
    text, and one by one in a long text.
    """

    def __init__(self) -> None:
        self._pieces: dict[Text, list[tuple[Text, str]]] = {}
        self._by_start: dict[Text, list[tuple[Text, str]]] = {}

    def add(self, needle: Text, name: str) -> None:
        """Look for ``needle``, which has at least ``SHORTEST_SECRET`` characters, on behalf of ``name``."""
        if len(needle) < _STRIDE - 1 + _PIECE:
            self._by_start.setdefault(needle[:SHORTEST_SECRET], []).append((needle, name))
            return
        for at in range(_STRIDE):
            self._pieces.setdefault(needle[at : at + _PIECE], []).append((needle, name))

    def names_in(self, text: Text) -> set[str]:
        """Return whose notations occur in ``text``."""
        pieces, starts = self._pieces, self._by_start
        some = {text[at : at + _PIECE] for at in range(0, len(text), _STRIDE)} & pieces.keys()
        found = {name for piece in some for needle, name in pieces[piece] if needle in text}
        if len(text) > _SHORT:
            return found | {name for those in starts.values() for needle, name in those if needle in text}
        last = len(text) - SHORTEST_SECRET
        there = {text[at : at + SHORTEST_SECRET] for at in range(last + 1)} & starts.keys()
        return found | {name for start in there for needle, name in starts[start] if needle in text}


class _Secret:
    """One secret and all the ways it is written."""

    def __init__(self, name: str, secret: str | bytes) -> None:
        self.mark = f"[secret {visible(name)}]"
        texts: set[str] = set()
        octets: set[bytes] = set()
        if isinstance(secret, bytes):
            octets.add(secret)
        else:
            texts.add(secret)
            octets.add(secret.encode("utf-8", "surrogatepass"))
            octets.update(_latin_1(secret))
            octets.update(_from_hexadecimal(secret))
        self.octets = frozenset(o for o in octets if len(o) >= SHORTEST_SECRET)
        for value in self.octets:
            texts.update(_decoded(value))
            texts.update(_base64_cores(value))
            texts.add(repr(value)[2:-1])
            texts.add(urllib.parse.quote_from_bytes(value, safe=""))
            texts.add(urllib.parse.quote_plus(value, safe=""))
        for text in tuple(texts):
            texts.update((repr(text)[1:-1], json.dumps(text)[1:-1], _markup(text)))
        # Plain hexadecimal is looked for, and replaced, with any separators; it need not be listed.
        hexadecimal = {o.hex() for o in self.octets} | {o.hex().upper() for o in self.octets}
        listed = {text for text in texts if len(text) >= SHORTEST_SECRET} - hexadecimal
        self.texts = tuple(sorted(listed, key=len, reverse=True))
        longest_first = sorted(self.octets, key=len, reverse=True)
        self.raw = tuple(v for o in longest_first for v in (o.hex().encode(), o.hex().upper().encode(), o))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What to replace; most secrets never show, so it is made when one does."""
        return re.compile("|".join(self._alternatives()))

    def replacement(self, _: re.Match[str]) -> str:
        """Return what stands in the secret's place; a function, since a name may hold a backslash."""
        return self.mark

    def _alternatives(self) -> list[str]:
        written = [re.escape(t) for t in self.texts]
        for value in sorted(self.octets, key=len, reverse=True):
            digits = [f"(?i:{o:02x})" for o in value]
            written.append(r"(?:0x|\\x|%)?" + _BETWEEN_OCTETS.join(digits))
            written.append(r"(?<!\d)" + r"[\s,]+".join(map(str, value)) + r"(?!\d)")
        return written


def _latin_1(text: str) -> set[bytes]:
    try:
        return {text.encode("latin-1")}
    except UnicodeEncodeError:
        return set()


def _from_hexadecimal(text: str) -> set[bytes]:
    if len(text) < 2 * SHORTEST_SECRET:
        return set()
    try:
        return {bytes.fromhex(text)}
    except ValueError:
        return set()


def _decoded(value: bytes) -> set[str]:
    """Return the texts that octets become on their way through careless decoders."""
    return {
        value.decode("latin-1"),
        value.decode("utf-8", "surrogateescape"),
        value.decode("utf-8", "replace") if b"\xff" not in value else "",
    }


def _base64_cores(value: bytes) -> set[str]:
    """Return what base64 makes of the octets alone and inside a longer text, at each of three offsets."""
    cores: set[str] = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value)
        # The first and last characters mix with the neighbours' bits; the ones between are the secret's own.
        first = -(-offset * 8 // 6)
        last = (offset + len(value)) * 8 // 6
        core = encoded[first:last].decode()
        if len(core) >= 6:
            cores.update((core, core.replace("+", "-").replace("/", "_")))
    return cores


def _markup(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
