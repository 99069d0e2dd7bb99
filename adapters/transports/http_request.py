"""A server's base address, and one request to it, put together for httpcore."""

from __future__ import annotations

import json as json_text
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

import httpcore

from adapters.errors import BenchError, LocalProtocolError

Query = Mapping[str, str | int | bool | Sequence[str]]

_METHOD = re.compile(r"[A-Z]{1,20}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_PATH_SAFE = "/%:@!$&'()*+,;=-._~"
_NOT_FOR_CALLERS = frozenset({"host", "content-length", "transfer-encoding"})  # they frame the message


@dataclass(frozen=True, kw_only=True)
class BaseAddress:
    """``http(s)://host:port/prefix``, taken apart; ``prefix`` begins with a slash or is empty."""

    scheme: str
    host: str
    port: int
    prefix: str
    server_name: str = ""

    @classmethod
    def of(cls, url: str, *, server_name: str = "") -> BaseAddress:
        """Return ``url``, taken apart; ``server_name`` is what the server is called, if not by its address.

        Raises BenchError for what is no address, or has a password in it.
        """
        try:
            parts = urlsplit(url)
            port, name = parts.port, parts.hostname or ""
            host = name if ":" in name else name.encode("idna").decode()
        except ValueError as error:  # a bad port, or a name that is none
            raise BenchError(f"not the address of a server ({error})") from None
        if parts.username is not None or parts.password is not None:
            raise BenchError(f"the address of {host} holds a user or a password; they belong to the secrets")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise BenchError(
                f"{url!r} is not the address of a server; expected e.g. https://head-end.example/api"
            )
        default = 443 if parts.scheme == "https" else 80
        prefix = quote(parts.path.rstrip("/"), safe=_PATH_SAFE)
        return cls(
            scheme=parts.scheme,
            host=host,
            port=default if port is None else port,
            prefix=prefix,
            server_name=server_name,
        )

    @property
    def authority(self) -> str:
        """Return what the Host header says."""
        if self.server_name:
            return self.server_name
        return self._host_and_port

    @property
    def _host_and_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @property
    def origin(self) -> httpcore.Origin:
        """Return it as httpcore takes it."""
        return httpcore.Origin(self.scheme.encode(), self.host.encode("ascii"), self.port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self._host_and_port}{self.prefix}"


def compose(
    base: BaseAddress,
    method: str,
    path: str,
    *,
    json: object,
    query: Query | None,
    headers: Mapping[str, str],
    authorization: str,
) -> httpcore.Request:
    """Return the request. Raises LocalProtocolError, without any header's value, for one that is none."""
    what = f"{base}: {method} {path}"
    if not _METHOD.fullmatch(method) or not path.startswith("/"):
        raise LocalProtocolError(f"{what}: expected a method and a path", clause="RFC 9112 3")
    given = {name.lower() for name in headers}
    if given & _NOT_FOR_CALLERS:
        raise LocalProtocolError(f"{what}: {', '.join(sorted(given & _NOT_FOR_CALLERS))} is ours to say")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise LocalProtocolError(f"{what}: header {name!r} cannot be written", clause="RFC 9110 5.5")
    body = _json_body(json, what)
    lines = [
        ("Host", base.authority),
        ("User-Agent", "MeterBench"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
    ]
    if body:
        lines.append(("Content-Type", "application/json"))
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(("Content-Length", str(len(body))))
    if authorization:
        lines.append(("Authorization", authorization))
    lines = [(name, value) for name, value in lines if name.lower() not in given]
    url = httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=_target(base, path, query))
    return httpcore.Request(method, url, headers=[*lines, *headers.items()], content=body)


def _target(base: BaseAddress, path: str, query: Query | None) -> str:
    target = base.prefix + quote(path, safe=_PATH_SAFE, errors="surrogatepass")
    if query:
        pairs = [(key, _in_query(value)) for key, value in query.items()]
        target += "?" + urlencode(pairs, doseq=True, quote_via=quote, errors="surrogatepass")
    return target


def _in_query(value: str | int | bool | Sequence[str]) -> str | int | Sequence[str]:
    return str(value).lower() if isinstance(value, bool) else value


def _json_body(json: object, what: str) -> bytes:
    if json is None:
        return b""
    try:
        return json_text.dumps(json, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"{what}: the body is no JSON ({error})", clause="RFC 8259") from None
