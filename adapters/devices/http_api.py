"""Servers that speak JSON over HTTP and say no with a reason: their answers become models or errors.

A refusal is a problem document (RFC 9457) with one more member, ``reason``, a word of the role's closed set.
Whatever else comes back is not what the server's description promises, and is told with its octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.errors import BenchError, LocalProtocolError, ProtocolError, Refused, RemoteProtocolError
from adapters.registry import AdapterContext, HttpChannel, Secret
from adapters.transports.http_answer import SHOWN_OCTETS, HttpAnswer

PROBLEM_JSON = "application/problem+json"
SHOWN_CHARACTERS = 300
_NOT_UNDERSTOOD = (400, 422)


class ApiModel(BaseModel):
    """A body as a server's description has it. Types are taken as they are; members nobody asked for pass."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


M = TypeVar("M", bound=ApiModel)


class Problem(ApiModel):
    """What a server says when it declines."""

    reason: str = Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")
    title: str = ""
    detail: str = ""


def segment(text: str) -> str:
    """Return ``text`` as one segment of a path, whatever it holds."""
    return quote(text, safe="")


class JsonApi:
    """The server behind the one HTTP link of a device. Nothing is connected before the first request.

    ``reasons`` are the words with which it may decline. Raises BenchError for a device with more links.
    """

    def __init__(self, context: AdapterContext, *, reasons: Collection[str]) -> None:
        if len(context.links) != 1:
            raise BenchError(f"device {context.name}: its server has one link, not {len(context.links)}")
        self.name = context.name
        self._link, self._reasons = next(iter(context.links)), frozenset(reasons)
        self._open = _opener(context)
        self._channel: HttpChannel | None = None

    def ask(
        self,
        model: type[M],
        method: str,
        path: str,
        *,
        token: Secret | None = None,
        json: object = None,
        query: Mapping[str, str | int | bool] | None = None,
        timeout_s: float | None = None,
    ) -> M:
        """Send a request and return its answer as ``model``.

        Raises Refused with the server's reason, LocalProtocolError where it does not understand what was
        asked, RemoteProtocolError with the octets of any other answer than the promised one, and the errors
        of the transport.
        """
        if self._channel is None:
            self._channel = self._open(self._link)
        self._channel.authorize(token)
        answer = self._channel.request(method, path, json=json, query=query, timeout_s=timeout_s)
        if not answer.ok:
            raise self._declined(answer)
        return self._read(model, answer)

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _declined(self, answer: HttpAnswer) -> ProtocolError | Refused:
        problem = self._read(Problem, answer) if answer.media_type == PROBLEM_JSON else None
        if problem is not None and problem.reason in self._reasons:
            return Refused(problem.reason, problem.detail or problem.title, data=answer.body[:SHOWN_OCTETS])
        if answer.status in _NOT_UNDERSTOOD:
            said = problem.detail if problem is not None else answer.text[:SHOWN_CHARACTERS]
            return LocalProtocolError(f"{self.name}: the server does not understand {answer.request}: {said}")
        known = "for a reason nobody knows" if problem is not None else "without a reason"
        return self._unexpected(answer, f"status {answer.status} {known}")

    def _read(self, model: type[M], answer: HttpAnswer) -> M:
        answer.json()  # what no honest service sends stops here
        try:
            return model.model_validate_json(answer.body)
        except ValidationError as error:
            raise self._unexpected(answer, _first_mistake(error)) from error

    def _unexpected(self, answer: HttpAnswer, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"{self.name}: the answer to {answer.request} is not what its description promises: {what}",
            data=answer.body[:SHOWN_OCTETS],
            frame_intact=answer.frame_intact,
        )


def _opener(context: AdapterContext) -> Callable[[str], HttpChannel]:
    if context.open_http is None:
        raise BenchError(f"device {context.name}: this bench has no HTTP")
    return context.open_http


def _first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the body"
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return re.sub(r"\s+", " ", f"{where}: {first['msg']}{more}")
