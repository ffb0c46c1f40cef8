"""Bucket policies: are they well formed, do they open a bucket to the public, what joins them from ACLs.

Source: Amazon S3 User Guide, "The meaning of public" and "Bucket policies".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.names import arn_of
from maru.core.document import Value

POLICY_BYTES_MAX = 20 * 1024
_NARROWING = frozenset(
    """aws:sourceip aws:sourcearn aws:sourcevpc aws:sourcevpce aws:sourceowner aws:sourceaccount aws:userid
    aws:principalorgid aws:principalorgpaths aws:principalarn aws:principalaccount aws:sourceorgid aws:sourceorgpaths
    aws:vpcsourceip aws:calledvia aws:sourceidentity s3:dataaccesspointarn s3:dataaccesspointaccount
    s3:x-amz-server-side-encryption-aws-kms-key-id""".split()  # noqa: SIM905 - a list of words
)
_ELEMENTS = frozenset(
    "Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split()  # noqa: SIM905
)


def parse_policy(text: str, bucket: str) -> Value:
    """The policy of a PutBucketPolicy. Raises MalformedPolicy, InvalidPolicyDocument in S3's words."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise refusal("InvalidArgument", "Policy exceeds the maximum allowed document size.")
    if not text.startswith("{"):
        raise refusal("MalformedPolicy")
    try:
        policy = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise refusal("MalformedPolicy") from error
    if not isinstance(policy, dict) or "Statement" not in policy:
        raise refusal("MalformedPolicy", "Missing required field Statement")
    if policy.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise refusal("MalformedPolicy", "The policy must contain a valid version string")
    unknown = set(policy) - {"Version", "Id", "Statement"}
    if unknown:
        raise refusal("MalformedPolicy", f"Unknown field {min(unknown)}")
    statements = statements_of(policy)
    if not statements:
        raise refusal("MalformedPolicy", "Could not parse the policy: Statement is empty!")
    for statement in statements:
        _check_statement(statement, bucket)
    return policy


def statements_of(policy: Mapping[str, object]) -> list[Value]:
    """One statement or several, as a list."""
    statement = policy.get("Statement")
    return list(statement) if isinstance(statement, list) else [statement] if isinstance(statement, dict) else []


def is_public(policy: Mapping[str, object]) -> bool:
    """Whether a statement lets in anybody, not narrowed to fixed values of what the guide names."""
    return any(
        statement.get("Effect") == "Allow" and _is_anybody(statement) and not _is_narrowed(statement)
        for statement in statements_of(policy)
    )


def without_allows(policy: Mapping[str, object]) -> Value:
    """What is left for outsiders when public buckets are restricted."""
    return {**policy, "Statement": [one for one in statements_of(policy) if one.get("Effect") == "Deny"]}


def _check_statement(statement: object, bucket: str) -> None:
    if not isinstance(statement, dict):
        raise refusal("MalformedPolicy", "Statement must be an object")
    unknown = set(statement) - _ELEMENTS
    if unknown:
        raise refusal("MalformedPolicy", f"Unknown field {min(unknown)}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise refusal("MalformedPolicy", f"Invalid effect: {statement.get('Effect')}")
    for name in ("Principal", "Action", "Resource"):
        if (name in statement) == (f"Not{name}" in statement):
            raise refusal("MalformedPolicy", f"Missing required field {name}")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    for action in _listed(statement.get("Action", statement.get("NotAction"))):
        if action != "*" and not str(action).lower().startswith(("s3:", "s3-object-lambda:")):
            raise refusal("MalformedPolicy", "Policy has invalid action", Detail=str(action))
    own = arn_of(bucket)
    for resource in _listed(statement.get("Resource", statement.get("NotResource"))):
        text = str(resource)
        if text not in ("*", own) and not text.startswith((f"{own}/", f"{own}*")):
            raise refusal("MalformedPolicy", "Policy has invalid resource", Detail=text)
    if not isinstance(statement.get("Condition", {}), dict):
        raise refusal("MalformedPolicy", "Policy has invalid condition")


def _check_principal(principal: object) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal:
        raise refusal("MalformedPolicy", "Invalid principal in policy")
    for kind, names in principal.items():
        for name in _listed(names):
            is_known = kind in ("AWS", "Service", "Federated", "CanonicalUser") and isinstance(name, str)
            is_good = is_known and (kind != "AWS" or _is_principal(str(name)))
            if not is_good:
                raise refusal("MalformedPolicy", "Invalid principal in policy", Detail=f'"{kind}" : "{name}"')


def _is_principal(name: str) -> bool:
    if name == "*" or (name.isdigit() and len(name) == 12):
        return True
    parts = name.split(":", 5)
    return len(parts) == 6 and parts[0] == "arn" and parts[2] in ("iam", "sts") and parts[4].isdigit()


def _is_anybody(statement: Value) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, dict) and "*" in _listed(principal.get("AWS")))


def _is_narrowed(statement: Value) -> bool:
    for operator, tests in (statement.get("Condition") or {}).items():
        if "Not" in operator or operator.lower().startswith("forallvalues") or operator == "Null":
            continue
        for name, values in tests.items():
            if name.lower() in _NARROWING and all(_is_fixed(name.lower(), str(value)) for value in _listed(values)):
                return True
    return False


def _is_fixed(name: str, value: str) -> bool:
    if name == "aws:sourceip":
        return not value.endswith("/0")
    return ("*" not in value and "?" not in value) or (name == "aws:sourcearn" and ":" in value.partition("*")[0][12:])


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
