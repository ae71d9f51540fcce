"""A connection to an S3 server, with limits that end and retries that stop."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from repo_tools.stores.bucket import Bucket
from repo_tools.stores.place import Place
from repo_tools.stores.s3 import S3Store
from updog.errors import ConfigError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def connect(place: Place, bucket: str, prefix: str) -> S3Store:
    """The store that a place names.

    Raises:
        ConfigError: no such profile, or an endpoint that is no URL.
    """
    client = client_of(place, str(place.to))
    return S3Store(
        Bucket(client, bucket),
        prefix,
        term=place.lock,
        short=place.timestamp_max_age,
        conditional=place.conditional_writes,
    )


def client_of(place: Place, address: str) -> S3Client:
    """The connection that a place describes; ``address`` is only told in errors.

    Raises:
        ConfigError: no such profile, or an endpoint that is no URL.
    """
    if place.endpoint is not None and urlsplit(place.endpoint).scheme not in {"http", "https"}:
        raise ConfigError(
            f"The endpoint {place.endpoint} is no http or https URL.", hint="Correct --endpoint."
        )
    try:
        session = boto3.session.Session(profile_name=place.profile, region_name=place.region)
        return session.client("s3", endpoint_url=place.endpoint, config=_config(place))
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"{address}: {error}") from error


def _config(place: Place) -> Config:
    limits = Config(
        connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}
    )
    if place.endpoint is None:
        return limits
    # Servers other than AWS often have one host name for all buckets, and do not know the checksums
    # that newer clients add unasked.
    return limits.merge(
        Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
    )
