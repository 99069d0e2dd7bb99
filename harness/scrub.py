"""Keeps secrets and hostile text out of everything a run leaves behind.

Two jobs, always in this order. First a secret is taken out in whatever notation a log, a traceback or a
hex dump may carry it. Then characters that could hide, reorder or break a report (terminal escapes, NUL,
bidirectional overrides, lone surrogates) become visible escapes, because one lone surrogate in a device's
name is enough to lose a whole JUnit file.

Searching must cost next to nothing, since every text of every step passes: all notations of all secrets are
looked for in one pass (Aho and Corasick's) over the text as it is, over the text without separators and over
the text without blanks; the regular expression that replaces a secret runs only when one of them hits. Links
say the same things again and again, so what became of the latest short pieces is remembered.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Mapping
from functools import cached_property, lru_cache

from ahocorasick_rs import BytesAhoCorasick

SHORTEST_SECRET = 4  # fewer characters than that occur by chance in every measurement
LIMIT = 20_000

_SEPARATORS = " \t\r\n:-_.,;%\\/|[](){}'\""
_DROP_SEPARATORS = str.maketrans("", "", _SEPARATORS)
_DROP_BLANKS = str.maketrans("", "", " \t\r\n[](){}")
_BETWEEN_OCTETS = r"(?:[\s:\-_.,;%\\/|'\"\[\](){}]|0x|\\x){0,8}"
_REMEMBERED, _REMEMBERED_LENGTH = 4096, 400  # pieces, and the characters or octets of the longest
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
        self._hexadecimal, self._decimal, self._written, self._raw = (_Needles() for _ in range(4))
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
            self._hexadecimal.add(octets.hex().encode(), name)
            self._decimal.add(",".join(map(str, octets)).encode(), name)
        for raw in known.raw:
            self._raw.add(raw, name)
        for text in known.texts:
            self._written.add(_octets(text), name)

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
        """Return the names of the secrets that may be written in ``text``, without a regular expression."""
        compact = _octets(text.translate(_DROP_SEPARATORS).lower())
        found = self._written.names_in(_octets(text)) | self._hexadecimal.names_in(compact)
        # "0x11, 0x22" and the escapes of a repr keep their x where the separators are gone.
        if b"0x" in compact:
            found |= self._hexadecimal.names_in(compact.replace(b"0x", b""))
        if "\\x" in text:
            found |= self._hexadecimal.names_in(compact.replace(b"x", b""))
        if "," in text:
            found |= self._decimal.names_in(_octets(text.translate(_DROP_BLANKS)))
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


class _Needles:
    """What to look for, and whose it is. There may be thousands of notations, and most texts hold none."""

    def __init__(self) -> None:
        self._owners: dict[bytes, set[str]] = {}
        self._search: tuple[BytesAhoCorasick, list[set[str]]] | None = None

    def add(self, needle: bytes, name: str) -> None:
        """Look for ``needle`` on behalf of ``name``."""
        self._owners.setdefault(needle, set()).add(name)
        self._search = None

    def names_in(self, text: bytes) -> set[str]:
        """Return whose notations occur in ``text``."""
        if self._search is None:  # built anew once for all that was added since
            self._search = BytesAhoCorasick(self._owners), list(self._owners.values())
        search, owners = self._search
        found = search.find_matches_as_indexes(text, overlapping=True)
        return set().union(*(owners[number] for number in {hit[0] for hit in found})) if found else set()


def _octets(text: str) -> bytes:
    """Return ``text`` so that what occurs in one text occurs in the octets of the other, and the reverse."""
    return text.encode("utf-8", "surrogatepass")


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
