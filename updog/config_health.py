"""The keys of the configuration that the health gate goes by: ``[health]``."""

from __future__ import annotations

from updog import config_values as values
from updog.config_fragment import Fragment, Key
from updog.settings import Health, Isolation, OnFailure

MAX_TIMEOUT = 3600.0
MAX_PARALLEL = 64
MAX_ROLLBACKS = 100


def _on_failure(value: object) -> OnFailure:
    return OnFailure(values.one_of(*OnFailure)(value))


def _isolation(value: object) -> Isolation:
    return Isolation(values.one_of(*Isolation)(value))


REQUIRED_DIR = Key("health.required_dir", values.path)
WANTED_DIR = Key("health.wanted_dir", values.path)
BEFORE_DIR = Key("health.before_dir", values.path)
AFTER_DIR = Key("health.after_dir", values.path)
TIMEOUT = Key("health.timeout", values.seconds(MAX_TIMEOUT))
PARALLEL = Key("health.parallel", values.whole(1, MAX_PARALLEL))
ON_FAILURE = Key("health.on_failure", _on_failure)
ROLLBACKS = Key("health.max_rollbacks", values.whole(0, MAX_ROLLBACKS))
ISOLATION = Key("health.isolation", _isolation)


def health(merged: Fragment) -> Health:
    """Read ``[health]``.

    Raises:
        ConfigError: a value breaks its rule.
    """
    get, default = merged.get, Health()
    return Health(
        required_dir=get(REQUIRED_DIR, default.required_dir),
        wanted_dir=get(WANTED_DIR, default.wanted_dir),
        before_dir=get(BEFORE_DIR, default.before_dir),
        after_dir=get(AFTER_DIR, default.after_dir),
        timeout=get(TIMEOUT, default.timeout),
        parallel=get(PARALLEL, default.parallel),
        on_failure=get(ON_FAILURE, default.on_failure),
        max_rollbacks=get(ROLLBACKS, default.max_rollbacks),
        isolation=get(ISOLATION, default.isolation),
    )
