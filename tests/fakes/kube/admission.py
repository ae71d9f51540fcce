"""ValidatingAdmissionPolicies, evaluated as the server does it: by their expressions.

The expressions run in a CEL interpreter that is not Kubernetes' own and has none of its extensions;
whatever cannot be evaluated counts as an error, and `failurePolicy: Fail` refuses the request.
"""

from __future__ import annotations

from typing import Any

import cel

from tests.fakes.kube.api import Admission, Api
from tests.fakes.kube.auth import User
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object

GROUP = "admissionregistration.k8s.io"


def enforce(api: Api) -> None:
    """Hold every write against the policies that are bound."""

    def judge(admission: Admission) -> None:
        for policy in _bound(api):
            if _concerns(policy["spec"], admission):
                _hold(policy, admission)

    api.admission.append(judge)


def _bound(api: Api) -> list[Object]:
    bindings = api.store.items((GROUP, "validatingadmissionpolicybindings"))
    denied = {
        each["spec"]["policyName"]
        for each in bindings
        if "Deny" in each["spec"].get("validationActions", ())
    }
    policies = api.store.items((GROUP, "validatingadmissionpolicies"))
    return [each for each in policies if each["metadata"]["name"] in denied]


def _concerns(spec: Object, admission: Admission) -> bool:
    named = admission.resource.plural
    if admission.subresource:
        named = f"{named}/{admission.subresource}"
    return any(
        _among(rule["operations"], admission.operation)
        and _among(rule["apiGroups"], admission.resource.group)
        and _among(rule["apiVersions"], admission.resource.version)
        and _among(rule["resources"], named)
        for rule in spec["matchConstraints"]["resourceRules"]
    )


def _among(listed: list[str], wanted: str) -> bool:
    return "*" in listed or wanted in listed


def _hold(policy: Object, admission: Admission) -> None:
    spec = policy["spec"]
    variables = _variables(admission)
    for condition in spec.get("matchConditions", []):
        if not _true(condition["expression"], variables):
            return
    for rule in spec["validations"]:
        if not _true(rule["expression"], variables):
            name = policy["metadata"]["name"]
            why = rule.get("message") or f"failed expression: {rule['expression']}"
            message = f"ValidatingAdmissionPolicy '{name}' denied request: {why}"
            code = {"Forbidden": 403, "Unauthorized": 401}.get(rule.get("reason", ""), 422)
            raise ApiError(code, message)


def _variables(admission: Admission) -> dict[str, Any]:
    user: User = admission.user
    return {
        "object": admission.new,
        "oldObject": admission.old,
        "request": {
            "operation": admission.operation,
            "userInfo": user.info(),
            "subResource": admission.subresource,
        },
    }


def _true(expression: str, variables: dict[str, Any]) -> bool:
    try:
        return cel.evaluate(expression, variables) is True
    except (ValueError, RuntimeError, TypeError, LookupError) as why:
        raise ApiError(403, f"expression '{expression}' resulted in error: {why}") from why
