"""Again: a form that was not right, shown once more with what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask.typing import ResponseReturnValue

from primafacie.platform.errors import LinkError, PlatformError

View = Callable[..., ResponseReturnValue]


def shown_on(page: Callable[..., str], key: str) -> Callable[[View], View]:
    """What is wrong stands on `page(value, error=...)`, the value of the view's argument `key`.

    A link that is no longer good has no page; its own error goes on.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def told(**given: Any) -> ResponseReturnValue:
            try:
                return view(**given)
            except LinkError:
                raise
            except PlatformError as error:
                return page(given[key], error=str(error)), error.status

        return told

    return decorate
