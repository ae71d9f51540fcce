"""Requests to AWS: how long they may take, how often they are tried, and what their errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from updog.errors import ConfigError, PermissionDenied, UpdogError
from updog.fleet.ecs.errors import Gone, NotManaged, Refused, Throttled

TRIES = 6
"""Of each request; botocore waits longer before each, by chance, up to 20 s."""


def config(region: str) -> Config:
    """How the clients behave: bounded in time and in tries.

    Args:
        region: empty for the one that the environment says.
    """
    return Config(
        region_name=region or None,
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        user_agent_extra="updog-ecs",
    )


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn errors of a request into ours.

    Args:
        what: the request, for people.

    Raises:
        Throttled: no answer; another try may help.
        Gone: the instance is no longer in the cluster.
        NotManaged: commands do not reach the machine.
        PermissionDenied, ConfigError: somebody must act.
        Refused: any other answer that is an error.
    """
    try:
        yield
    except ClientError as error:
        raise _refused(error, what) from error
    except (BotoConnectionError, HTTPClientError) as error:
        raise Throttled(f"AWS did not answer (cannot {what}): {error}") from error
    except BotoCoreError as error:
        raise ConfigError(
            f"Cannot {what}: {error}",
            hint="Give credentials and region as for any AWS program (docs/ecs.md).",
        ) from error


def code_of(error: ClientError) -> str:
    """The word by which AWS names an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(error: ClientError, what: str) -> UpdogError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    make = _REFUSALS.get(code_of(error)) or (_later if status >= _SERVER_FAULT else Refused)
    return make(f"Cannot {what}: {error}")


def _later(message: str) -> UpdogError:
    return Throttled(message, hint="Another run will try again; nothing is lost.")


def _forbidden(message: str) -> UpdogError:
    return PermissionDenied(message, hint="What the updater must be allowed stands in docs/ecs.md.")


def _no_cluster(message: str) -> UpdogError:
    return ConfigError(message, hint="Correct --cluster and --region.")


def _no_document(message: str) -> UpdogError:
    return ConfigError(message, hint="Correct the names of the three documents.")


_SERVER_FAULT = 500
_REFUSALS: Mapping[str, Callable[[str], UpdogError]] = {
    **dict.fromkeys(
        (
            "ThrottlingException",
            "Throttling",
            "RequestLimitExceeded",
            "TooManyRequestsException",
            "ServerException",
            "InternalServerError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        _later,
    ),
    **dict.fromkeys(
        (
            "AccessDeniedException",
            "AccessDenied",
            "UnauthorizedOperation",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "AuthFailure",
            "ExpiredTokenException",
            "ExpiredToken",
        ),
        _forbidden,
    ),
    "ClusterNotFoundException": _no_cluster,
    "InvalidDocument": _no_document,
    "InvalidInstanceId": NotManaged,
    "TargetNotFoundException": Gone,
}
