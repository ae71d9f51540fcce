"""What the server answers where it refuses: the Status object, with the real server's reasons."""

from __future__ import annotations

from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    504: "Timeout",
}


class ApiError(Exception):
    """A refusal, as code, reason and message of a Status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        retry_after: int | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "Unknown")
        self.retry_after = retry_after
        self.details = details

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        details = dict(self.details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": details} if details else {}),
            "code": self.code,
        }


def not_found(name: str, qualified: str) -> ApiError:
    """An object that is not there; `qualified` is its resource and group."""
    plural, _, group = qualified.partition(".")
    details = {"name": name, "kind": plural, **({"group": group} if group else {})}
    return ApiError(404, f'{qualified} "{name}" not found', details=details)


def invalid(qualified: str, name: str, causes: list[tuple[str, str]]) -> ApiError:
    """An object that breaks rules; each cause is a field and what is wrong with it."""
    listed = [
        {"reason": "FieldValueInvalid", "message": what, "field": field} for field, what in causes
    ]
    said = "; ".join(f"{field}: {what}" for field, what in causes)
    message = f'{qualified} "{name}" is invalid: {said}'
    return ApiError(422, message, details={"name": name, "kind": qualified, "causes": listed})


def expired(
    message: str = "The resourceVersion for the provided list or watch is too old.",
) -> ApiError:
    """A version that the server has forgotten."""
    return ApiError(410, message, reason="Expired")
