"""The resources that the server knows: built-in ones, and those that definitions add."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version.

    Attributes:
        group: its API group, empty for core.
        version: the version in the address.
        plural: its name in addresses.
        kind: what its objects are called.
        namespaced: whether its objects lie in namespaces.
        short: short names, for kubectl.
        status: whether the status is a sub-resource of its own.
        generation: whether changes outside metadata and status are counted.
        custom: the definition's entry of this version, None for built-in ones.
        verbs: what can be asked.
        fields: field selectors besides name and namespace.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = False
    generation: bool = False
    custom: Object | None = field(default=None, hash=False)
    verbs: tuple[str, ...] = ALL_VERBS
    fields: tuple[str, ...] = ()

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Resource and group, as the server's messages name them."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def place(self) -> tuple[str, str]:
        """Where objects are stored: the same place for every version."""
        if (self.group, self.plural) == ("events.k8s.io", "events"):
            return "", "events"
        return self.group, self.plural


def _core(plural: str, kind: str, **more: Any) -> Resource:
    return Resource("", "v1", plural, kind, **more)


_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
)
_EVENT_FIELDS = (
    *(f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion")),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_NEW_EVENT_FIELDS = tuple(each.replace("involvedObject", "regarding") for each in _EVENT_FIELDS)
_CREATE = ("create",)
_RBAC = ("rbac.authorization.k8s.io", "v1")
_POLICY = ("admissionregistration.k8s.io", "v1")
_SPEC: Any = {"status": True, "generation": True}

BUILT_IN = (
    _core("namespaces", "Namespace", namespaced=False, short=("ns",), status=True),
    _core(
        "nodes",
        "Node",
        namespaced=False,
        short=("no",),
        status=True,
        fields=("spec.unschedulable",),
    ),
    _core("pods", "Pod", short=("po",), status=True, fields=_POD_FIELDS),
    _core("services", "Service", short=("svc",), status=True),
    _core("configmaps", "ConfigMap", short=("cm",)),
    _core("secrets", "Secret", fields=("type",)),
    _core("serviceaccounts", "ServiceAccount", short=("sa",)),
    _core("events", "Event", short=("ev",), fields=_EVENT_FIELDS),
    _core("replicationcontrollers", "ReplicationController", short=("rc",), **_SPEC),
    Resource("events.k8s.io", "v1", "events", "Event", short=("ev",), fields=_NEW_EVENT_FIELDS),
    Resource("apps", "v1", "deployments", "Deployment", short=("deploy",), **_SPEC),
    Resource("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), **_SPEC),
    Resource("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), **_SPEC),
    Resource("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), **_SPEC),
    Resource("batch", "v1", "jobs", "Job", **_SPEC),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",), **_SPEC
    ),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short=("netpol",)),
    Resource(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        namespaced=False,
        short=("pc",),
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short=("crd", "crds"),
        status=True,
        generation=True,
    ),
    Resource(*_RBAC, "roles", "Role"),
    Resource(*_RBAC, "rolebindings", "RoleBinding"),
    Resource(*_RBAC, "clusterroles", "ClusterRole", namespaced=False),
    Resource(*_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(
        *_POLICY,
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        namespaced=False,
        **_SPEC,
    ),
    Resource(
        *_POLICY,
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
    ),
    Resource(
        "authentication.k8s.io",
        "v1",
        "tokenreviews",
        "TokenReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    Resource(
        "authentication.k8s.io",
        "v1",
        "selfsubjectreviews",
        "SelfSubjectReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    Resource(
        "authorization.k8s.io",
        "v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=_CREATE,
    ),
)


class Registry:
    """Resources by address, by kind and by group."""

    def __init__(self) -> None:
        self._resources = {(each.group, each.version, each.plural): each for each in BUILT_IN}

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get((group, version, plural))

    def named(self, name: str) -> Resource:
        """A resource by plural, kind or short name, for tests; the storage version of several."""
        for each in self:
            if name in (each.plural, each.kind, each.qualified, *each.short):
                return each
        raise KeyError(name)

    def of(self, item: Object) -> Resource:
        """The resource that an object belongs to."""
        group, _, version = str(item["apiVersion"]).rpartition("/")
        for each in self:
            if (each.group, each.version, each.kind) == (group, version, item["kind"]):
                return each
        raise KeyError(f"{item['apiVersion']} {item['kind']}")

    def define(self, definition: Object) -> None:
        """Serve what a CustomResourceDefinition says."""
        spec = definition["spec"]
        self.forget(definition)
        versions = sorted(spec["versions"], key=lambda each: not each["storage"])
        for version in versions:
            if version["served"]:
                made = _custom(spec, version)
                self._resources[(made.group, made.version, made.plural)] = made

    def forget(self, definition: Object) -> None:
        """Serve it no longer."""
        spec = definition["spec"]
        gone = [
            key
            for key, each in self._resources.items()
            if (each.group, each.plural) == (spec["group"], spec["names"]["plural"])
        ]
        for key in gone:
            del self._resources[key]


def _custom(spec: Object, version: Object) -> Resource:
    names = spec["names"]
    return Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short=tuple(names.get("shortNames", ())),
        status="status" in version.get("subresources", {}),
        generation=True,
        custom=version,
        fields=tuple(each["jsonPath"].lstrip(".") for each in version.get("selectableFields", ())),
    )
