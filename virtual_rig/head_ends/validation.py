"""What a server of the rig answers to a request it does not understand: where, and never what it was sent.

FastAPI would repeat the value that does not fit, which may be a PIN.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from virtual_rig.head_ends.problems import PROBLEM_JSON


def answer_misunderstandings(app: FastAPI) -> None:
    """Have ``app`` answer what does not fit its description with a problem (422, ``not-understood``)."""

    async def not_understood(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        places = ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors()}))
        return JSONResponse(
            {"reason": "not-understood", "title": "not understood", "status": 422, "detail": f"see {places}"},
            status_code=422,
            media_type=PROBLEM_JSON,
        )

    app.add_exception_handler(RequestValidationError, not_understood)
