"""Questions in the form of objects: token reviews, access reviews, tokens of service accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from tests.fakes.kube.api import Api
from tests.fakes.kube.auth import AUDIENCE, Guard, Request, User
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object, Resource
from tests.fakes.kube.store import Key


def answer(guard: Guard, user: User, resource: Resource, item: Object) -> Object:
    """The review with its status filled in."""
    spec = item.get("spec") or {}
    match resource.kind:
        case "TokenReview":
            status = guard.review(spec)
        case "SelfSubjectReview":
            status = {"userInfo": user.info()}
        case "SelfSubjectAccessReview":
            status = {"allowed": guard.allows(user, _asked(spec))}
        case _:
            status = {"allowed": guard.allows(_subject(spec), _asked(spec))}
    named = {"apiVersion": resource.group_version, "kind": resource.kind}
    return {**item, **named, "metadata": {"creationTimestamp": None}, "status": status}


def _subject(spec: Object) -> User:
    extra = {name: tuple(values) for name, values in (spec.get("extra") or {}).items()}
    groups = tuple(spec.get("groups") or ())
    return User(spec.get("user", ""), groups, spec.get("uid", ""), MappingProxyType(extra))


def _asked(spec: Object) -> Request:
    if about := spec.get("nonResourceAttributes"):
        return Request(about.get("verb", ""), path=about.get("path", ""))
    said = spec.get("resourceAttributes") or {}
    resource = said.get("resource", "")
    if sub := said.get("subresource"):
        resource = f"{resource}/{sub}"
    return Request(
        said.get("verb", ""),
        said.get("group", ""),
        resource,
        said.get("namespace", ""),
        said.get("name", ""),
    )


def token(api: Api, guard: Guard, namespace: str, name: str, item: Object) -> Object:
    """A TokenRequest, answered.

    Raises:
        ApiError: 404, the pod it is bound to is not there.
    """
    spec = item.get("spec") or {}
    bound = spec.get("boundObjectRef")
    pod = None
    if bound and bound["kind"] == "Pod":
        pod = api.store.get(Key(("", "pods"), namespace, bound["name"]))
        if pod is None:
            raise ApiError(404, f'pods "{bound["name"]}" not found')
    audiences = tuple(spec.get("audiences") or (AUDIENCE,))
    made = guard.account_token(namespace, name, pod=pod, audiences=audiences)
    until = datetime.now(UTC) + timedelta(seconds=spec.get("expirationSeconds", 3600))
    status = {"token": made, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": spec,
        "status": status,
    }
