"""Who asks, and whether they may: bearer tokens, and roles evaluated as the server does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object
from tests.fakes.kube.store import Key, Store

AUDIENCE = "https://kubernetes.default.svc"
MASTERS = "system:masters"
_RBAC = "rbac.authorization.k8s.io"
_CLUSTER_ROLES = {
    "system:auth-delegator": [
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        },
        {
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["subjectaccessreviews"],
            "verbs": ["create"],
        },
    ],
    "cluster-admin": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
}
"""The roles of the real server that manifests may lean on."""
_EVERYBODY = ("selfsubjectreviews", "selfsubjectaccessreviews")


@dataclass(frozen=True, slots=True)
class User:
    """Who a request comes from."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def info(self) -> Object:
        """The user as a UserInfo."""
        extra = {name: list(values) for name, values in self.extra.items()}
        made: Object = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            made["uid"] = self.uid
        return {**made, "extra": extra} if extra else made


ADMINISTRATOR = User("kubernetes-admin", (MASTERS, "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Request(NamedTuple):
    """What somebody wants to do; `resource` holds a sub-resource after a slash."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Token(NamedTuple):
    """Whose token, and for whom."""

    user: User
    audiences: tuple[str, ...]


class Guard:
    """Tokens and roles.

    Attributes:
        required: whether requests need a token; without it everybody is the administrator.
    """

    def __init__(self, store: Store) -> None:
        self.required = False
        self._store = store
        self._tokens: dict[str, Token] = {}

    def issue(self, user: User, audiences: tuple[str, ...] = (AUDIENCE,)) -> str:
        """A new token of a user."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = Token(user, audiences)
        return token

    def account_token(
        self,
        namespace: str,
        name: str,
        *,
        pod: Object | None = None,
        audiences: tuple[str, ...] = (AUDIENCE,),
    ) -> str:
        """A service account's token as the kubelet projects it into a pod."""
        account = self._store.get(Key(("", "serviceaccounts"), namespace, name))
        uid = account["metadata"]["uid"] if account else ""
        groups = (
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        )
        extra = self._bound(pod) if pod else {}
        made = User(
            f"system:serviceaccount:{namespace}:{name}", groups, uid, MappingProxyType(extra)
        )
        return self.issue(made, audiences)

    def _bound(self, pod: Object) -> dict[str, tuple[str, ...]]:
        prefix = "authentication.kubernetes.io"
        extra: dict[str, tuple[str, ...]] = {
            f"{prefix}/pod-name": (pod["metadata"]["name"],),
            f"{prefix}/pod-uid": (pod["metadata"]["uid"],),
        }
        if name := pod.get("spec", {}).get("nodeName"):
            extra[f"{prefix}/node-name"] = (name,)
            node = self._store.get(Key(("", "nodes"), "", name))
            if node is not None:
                extra[f"{prefix}/node-uid"] = (node["metadata"]["uid"],)
        return extra

    def who(self, header: str | None) -> User:
        """The user behind an Authorization header.

        Raises:
            ApiError: 401, the token is none of ours.
        """
        if not self.required and header is None:
            return ADMINISTRATOR
        if header is None:
            return ANONYMOUS
        found = self._tokens.get(header.removeprefix("Bearer ").strip())
        if found is None or AUDIENCE not in found.audiences:
            raise ApiError(401, "Unauthorized")
        return found.user

    def review(self, spec: Object) -> Object:
        """The status of a TokenReview."""
        found = self._tokens.get(spec.get("token", ""))
        wanted = tuple(spec.get("audiences") or (AUDIENCE,))
        if found is None:
            return {"authenticated": False, "error": "[invalid bearer token]"}
        shared = [each for each in wanted if each in found.audiences]
        if not shared:
            return {
                "authenticated": False,
                "error": "[invalid bearer token, token audiences do not match]",
            }
        return {"authenticated": True, "user": found.user.info(), "audiences": shared}

    def check(self, user: User, request: Request) -> None:
        """Let a request pass, or not.

        Raises:
            ApiError: 403, in the real server's words.
        """
        if not self.allows(user, request):
            raise ApiError(403, _forbidden(user, request))

    def allows(self, user: User, request: Request) -> bool:
        """Whether any role of a user allows it."""
        if MASTERS in user.groups:
            return True
        if request.path:
            return "system:authenticated" in user.groups
        if request.resource in _EVERYBODY and "system:authenticated" in user.groups:
            return True
        return any(_covers(rule, request) for rule in self._rules(user, request.namespace))

    def _rules(self, user: User, namespace: str) -> Iterator[Object]:
        for binding in self._store.items((_RBAC, "clusterrolebindings")):
            if _binds(binding, user):
                yield from self._role(binding["roleRef"], "")
        if namespace:
            for binding in self._store.items((_RBAC, "rolebindings"), namespace):
                if _binds(binding, user):
                    yield from self._role(binding["roleRef"], namespace)

    def _role(self, reference: Object, namespace: str) -> list[Object]:
        if reference["kind"] == "Role":
            found = self._store.get(Key((_RBAC, "roles"), namespace, reference["name"]))
        else:
            found = self._store.get(Key((_RBAC, "clusterroles"), "", reference["name"]))
        if found is None:
            return list(_CLUSTER_ROLES.get(reference["name"], []))
        return list(found.get("rules") or [])


def _binds(binding: Object, user: User) -> bool:
    return any(_is_subject(each, user) for each in binding.get("subjects") or [])


def _is_subject(subject: Object, user: User) -> bool:
    match subject["kind"]:
        case "ServiceAccount":
            return user.name == f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
        case "Group":
            return subject["name"] in user.groups
        case _:
            return bool(subject["name"] == user.name)


def _covers(rule: Object, request: Request) -> bool:
    if not rule.get("resources"):
        return False
    return (
        _holds(rule.get("verbs"), request.verb)
        and _holds(rule.get("apiGroups"), request.group)
        and _holds(rule.get("resources"), request.resource)
        and (not rule.get("resourceNames") or request.name in rule["resourceNames"])
    )


def _holds(listed: list[str] | None, wanted: str) -> bool:
    part = wanted.partition("/")[2]
    return any(each in ("*", wanted) or (part and each == f"*/{part}") for each in listed or ())


def _forbidden(user: User, request: Request) -> str:
    if request.path:
        return f'forbidden: User "{user.name}" cannot {request.verb} path "{request.path}"'
    plural = request.resource.partition("/")[0]
    qualified = f"{plural}.{request.group}" if request.group else plural
    named = f' "{request.name}"' if request.name else ""
    where = (
        f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    )
    return (
        f'{qualified}{named} is forbidden: User "{user.name}" cannot {request.verb} resource '
        f'"{request.resource}" in API group "{request.group}" {where}'
    )
