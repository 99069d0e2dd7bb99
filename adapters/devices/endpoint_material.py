"""Where a test radio's security material comes from, and how negative tests spoil it.

Material is fetched from the FDM Tools server when it is needed and valid for minutes: none is kept. Reading
keys are secrets of the bench, ``<endpoint>.reading_key``, so that no transcript ever holds one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final

from pydantic import Field

from adapters.devices.http_api import ApiModel, JsonApi
from adapters.errors import BenchError, NotPermitted, ProtocolError
from adapters.protocols.endpoint_link import material
from adapters.protocols.endpoint_link.material import KEY_OCTETS, ReadingKey, Signed
from adapters.protocols.endpoint_link.signing import PrivateKey
from adapters.registry import AdapterContext
from adapters.roles.secured import Command, MaterialFlaw

FDM_LINK: Final = "fdm"
VALID_FOR_S: Final = 600
EXPIRES_AFTER_S: Final = 1
EXPIRED_AFTER_S: Final = 3.0
"""How long to wait until what was valid for ``EXPIRES_AFTER_S`` is not any more, with clocks a bit apart."""

REASONS: Final = ("unknown-endpoint", "not-needed", "not-permitted", "unavailable")
_KEY_SUFFIX = ".reading_key"
_NUMBER_AT, _VALIDITY_AT = 17, 21  # the last octets of these fields; see ``material``


class _Issued(ApiModel):
    material: str = Field(pattern=r"^([0-9a-fA-F]{2}){1,255}$", repr=False)


class _Endpoints(ApiModel):
    endpoints: tuple[str, ...] | list[str]


class LabMaterial:
    """The material of one test radio."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._api: JsonApi | None = None
        if FDM_LINK in context.links:
            links = {FDM_LINK: context.links[FDM_LINK]}
            self._api = JsonApi(replace(context, links=links), reasons=REASONS)
        self._tampered = count()
        self._spoilers: dict[str, Callable[[bytes], bytes]] = {
            "": lambda octets: octets,
            "tampered": self._tamper,
            "foreign-issuer": self._of_foreign_issuer,
            "wrong-key": self._with_wrong_key,
        }

    def for_command(self, endpoint: str, command: Command, flaw: MaterialFlaw) -> bytes:
        """Return material meant to make ``endpoint`` carry out ``command``, spoilt by ``flaw``.

        Raises Refused where the server issues none, NotPermitted where the bench has no server or the flaw
        needs a format it does not know.
        """
        match flaw:
            case "expired":
                issued = self._issued(endpoint, command, EXPIRES_AFTER_S)
                self._context.clock.sleep_s(EXPIRED_AFTER_S)
                return issued
            case "foreign-endpoint":
                return self._issued(self._other_endpoint(endpoint), command, VALID_FOR_S)
            case "wrong-command":
                other: Command = "program" if command == "check" else "check"
                return self._issued(endpoint, other, VALID_FOR_S)
            case _:
                return self._spoilers[flaw](self._issued(endpoint, command, VALID_FOR_S))

    def reading_key(self, endpoint: str, flaw: MaterialFlaw) -> bytes | None:
        """Return the endpoint's reading key, another one, or (flaw ``none``) no key at all.

        Raises NotPermitted where the bench holds no such key, BenchError for a flaw a key cannot have.
        """
        match flaw:
            case "":
                return self._key_of(endpoint)
            case "none":
                return None
            case "wrong-key":
                return self._context.random_octets(KEY_OCTETS)
            case "foreign-endpoint":
                others = [name for name in self._keys() if name != endpoint]
                if not others:
                    raise NotPermitted(f"{self._context.name}: the bench holds no key of another endpoint")
                return self._key_of(others[0])
            case _:
                raise BenchError(f"{self._context.name}: a reading key cannot be {flaw}")

    def close(self) -> None:
        """Close the connection to the server."""
        if self._api is not None:
            self._api.close()

    # -- from the server

    def _issued(self, endpoint: str, command: Command, valid_for_s: int) -> bytes:
        body: dict[str, object] = {"endpoint": endpoint, "valid_for_s": valid_for_s}
        if command == "open_session":
            body |= {"kind": "signed-authorization"}
        else:
            body |= {"kind": "secure-command", "command": command}
        issued = self._server().ask(
            _Issued, "POST", "/lab/material", token=self._context.secrets.get("token"), json=body
        )
        return bytes.fromhex(issued.material)

    def _other_endpoint(self, endpoint: str) -> str:
        known = self._server().ask(
            _Endpoints, "GET", "/lab/endpoints", token=self._context.secrets.get("token")
        )
        for other in known.endpoints:
            if other != endpoint:
                return other
        raise NotPermitted(f"{self._context.name}: the server knows no other endpoint than {endpoint}")

    def _server(self) -> JsonApi:
        if self._api is None:
            raise NotPermitted(f"{self._context.name}: no link {FDM_LINK}, so there is no material to be had")
        return self._api

    # -- flaws

    def _tamper(self, octets: bytes) -> bytes:
        """Turn one bit: of the number, of the validity or of the signature, in turn."""
        places = (_NUMBER_AT, _VALIDITY_AT, len(octets) - 1)
        at = places[next(self._tampered) % len(places)]
        bent = bytearray(octets)
        bent[at] ^= 0x01
        return bytes(bent)

    def _of_foreign_issuer(self, octets: bytes) -> bytes:
        found = self._opened(octets)
        return self._signed_by_stranger(replace(found, issuer=found.issuer ^ 1))

    def _with_wrong_key(self, octets: bytes) -> bytes:
        return self._signed_by_stranger(self._opened(octets))

    def _opened(self, octets: bytes) -> Signed:
        try:
            found = material.decode(octets)
        except ProtocolError as error:
            raise NotPermitted(f"{self._context.name}: material of an unknown format: {error}") from error
        if isinstance(found, ReadingKey):
            raise NotPermitted(f"{self._context.name}: the server issued a key where material was asked for")
        return found

    def _signed_by_stranger(self, found: Signed) -> bytes:
        stranger = PrivateKey(self._context.random_octets(32))
        return replace(found, signature=stranger.sign(found.signed_octets())).encode()

    # -- reading keys

    def _keys(self) -> list[str]:
        return sorted(
            name.removesuffix(_KEY_SUFFIX) for name in self._context.secrets if name.endswith(_KEY_SUFFIX)
        )

    def _key_of(self, endpoint: str) -> bytes:
        secret = self._context.secrets.get(endpoint + _KEY_SUFFIX)
        if secret is None:
            raise NotPermitted(
                f"{self._context.name}: the bench holds no reading key of endpoint {endpoint} "
                f"(secret {self._context.name}.{endpoint}{_KEY_SUFFIX})"
            )
        return secret.reveal()
