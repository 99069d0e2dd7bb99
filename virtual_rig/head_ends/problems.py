"""How a server of the rig says no: a problem document (RFC 9457) whose ``reason`` is a word of a closed set.

Models raise ``Refused``; here it becomes an answer. The description of the API says which reasons there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from hmac import compare_digest
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from adapters.errors import Refused

PROBLEM_JSON: Final = "application/problem+json"
DEFAULT_STATUS: Final = 409


def answer_refusals(app: FastAPI, statuses: Mapping[str, int]) -> None:
    """Have ``app`` answer a model's ``Refused`` with a problem; a reason not listed is a conflict (409)."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        status = statuses.get(error.reason, DEFAULT_STATUS)
        return JSONResponse(
            {"reason": error.reason, "title": "refused", "status": status, "detail": error.detail},
            status_code=status,
            media_type=PROBLEM_JSON,
            headers={"www-authenticate": "Bearer"} if status == 401 else None,
        )

    app.add_exception_handler(Refused, refused)


def refusals(statuses: Mapping[str, int], *reasons: str) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of an operation that may be refused for ``reasons``, for its description."""
    by_status: dict[int | str, list[str]] = {}
    for reason in reasons:
        by_status.setdefault(statuses.get(reason, DEFAULT_STATUS), []).append(f"`{reason}`")
    return {
        status: {"description": f"Refused: {', '.join(words)}.", "content": {PROBLEM_JSON: {}}}
        for status, words in by_status.items()
    }


def bearer_of(request: Request) -> str:
    """Return the bearer token of a request, empty where it has none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer_wanted(tokens: Iterable[str]) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that refuses (``not-permitted``) a request without one of ``tokens``."""
    accepted = tuple(token.encode() for token in tokens)

    async def check(request: Request) -> None:
        given = bearer_of(request).encode()
        if not any(compare_digest(token, given) for token in accepted):
            raise Refused("not-permitted", "this needs another bearer token")

    return check
