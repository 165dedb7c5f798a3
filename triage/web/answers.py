"""What handlers share: a refusal in one sentence, and what a request may hold."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MAX_BODY = 16_384


def refusal(status: int, sentence: str) -> Response:
    """One sentence as JSON."""
    return JSONResponse({"error": sentence}, status, {"Cache-Control": "no-store"})


async def body_of(request: Request) -> dict[str, Any]:
    """A small JSON object. Raises ValueError."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise ValueError("the request is too long")
    try:
        body = json.loads(content or b"{}")
    except ValueError as error:
        raise ValueError("the request is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the request is not a JSON object")
    return body


def whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query, within bounds. Raises ValueError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError as error:
        raise ValueError(f"{name} must be a whole number") from error
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}")
    return number
