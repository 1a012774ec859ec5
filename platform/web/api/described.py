"""Described: how operations tell OpenAPI what they may answer, the errors included."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from primafacie.platform.web import problem, words
from primafacie.platform.web.api import shapes

#: What every operation may answer beside its own.
ALWAYS = (400, 401, 403, 429, 500, 503)


def responses(status: int, shape: type[BaseModel], *errors: int) -> dict[int, dict[str, Any]]:
    """One good answer of this shape, and the errors as problem documents."""
    good = {"description": (shape.__doc__ or "").strip(),
            "content": {"application/json": {"schema": reference(shape)}}}  # fmt: skip
    return {status: good, **_problems(errors)}


def files(media_type: str, *errors: int) -> dict[int, dict[str, Any]]:
    """A file as the good answer, and the errors as problem documents."""
    good = {"description": "The file.", "content": {media_type: {"schema": {}}}}
    return {200: good, **_problems(errors)}


def reference(shape: type[BaseModel]) -> dict[str, str]:
    """Where the schema of `shape` stands in the document."""
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _problems(errors: tuple[int, ...]) -> dict[int, dict[str, Any]]:
    body = {problem.MEDIA_TYPE: {"schema": reference(shapes.ProblemShape)}}
    return {
        status: {"description": words.STATUS.get(status, "Bad input."), "content": body}
        for status in sorted({*ALWAYS, *errors})
    }
