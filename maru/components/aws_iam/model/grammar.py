"""The grammar of policies, checked when one is put, in the order and the words in which IAM complains.

First the shape of the JSON, then the version, then what IAM's older parser refuses, then what each element
says. Source: IAM User Guide, "Grammar of the IAM JSON policy language"; texts as the service sends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from maru.components.aws_iam.errors import limit_exceeded, malformed_policy
from maru.components.aws_iam.model.policy.conditions import as_texts, is_operator
from maru.core.document import Value

VERSIONS = ("2008-10-17", "2012-10-17")
MANAGED_CHARACTERS_MAX, TRUST_CHARACTERS_MAX = 6144, 2048
_SYNTAX = "Syntax errors in policy."
_LEGACY = "The policy failed legacy parsing"
_ELEMENTS = frozenset(
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"]
)
_VENDOR = re.compile(r"[A-Za-z0-9\-.*?]+")
_DATE = re.compile(
    r"\d{1,4}(-(0[1-9]|1[0-2])(-\d{2})?)?([Tt](\d{1,2}(:\d{2}(:\d{2}(\.\d{1,9})?)?)?)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?"
)
_PARTITIONS = frozenset(["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "*"])
_IAM_PATHS = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)
_TRUST_ACTIONS = re.compile(r"sts:(\*|AssumeRole.*|TagSession|SetSourceIdentity|SetContext|\w*\*)", re.IGNORECASE)


def characters(document: str) -> int:
    """What IAM counts against a quota: all but white space."""
    return sum(not letter.isspace() for letter in document)


def check_session_policy(document: str) -> None:
    """A session policy, which needs no version. Raises MalformedPolicyDocument."""
    policy = _parsed(document, _SYNTAX)
    check_identity_policy(msgspec.json.encode({"Version": VERSIONS[1], **policy}).decode())


def check_identity_policy(document: str) -> Value:
    """An identity policy, decoded. Raises MalformedPolicyDocument."""
    policy = _parsed(document, _SYNTAX)
    _check_syntax(policy, forbidden=("Principal", "NotPrincipal"))
    if policy.get("Version") != VERSIONS[1]:
        raise malformed_policy("Policy document must be version 2012-10-17 or greater.")
    statements = _statements(policy)
    if not _passes_legacy(statements):
        raise malformed_policy(_LEGACY)
    sids = [one["Sid"] for one in statements if one.get("Sid")]
    if len(set(sids)) != len(sids):
        raise malformed_policy("Statement IDs (SID) in a single policy must be unique.")
    for one in statements:
        _check_resources(_texts(one, "Resource", "NotResource"))
    for one in statements:
        if not _texts(one, "Action", "NotAction"):
            raise malformed_policy("Policy statement must contain actions.")
    for one in statements:
        _check_actions(_texts(one, "Action", "NotAction"))
    for one in statements:
        if not _texts(one, "Resource", "NotResource"):
            raise malformed_policy("Policy statement must contain resources.")
    return policy


def check_managed_policy(document: str) -> None:
    """Of a managed policy: within its quota, too. Raises LimitExceeded."""
    check_identity_policy(document)
    if characters(document) > MANAGED_CHARACTERS_MAX:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {MANAGED_CHARACTERS_MAX}")


def check_trust(document: str) -> None:
    """A role's trust policy. Raises MalformedPolicyDocument, LimitExceeded."""
    policy = _parsed(document, "This policy contains invalid Json")
    _check_syntax(policy, forbidden=())
    if policy.get("Version", VERSIONS[0]) not in VERSIONS:
        raise malformed_policy(_SYNTAX)
    statements = _statements(policy)
    for one in statements:
        for field in ("Resource", "NotResource"):
            if field in one:
                raise malformed_policy(f"Has prohibited field {field}")
        if not one.get("Principal") and not one.get("NotPrincipal"):
            raise malformed_policy("Missing required field Principal")
        if "NotPrincipal" in one:
            raise malformed_policy("Allow with NotPrincipal is not allowed.")
        _check_principal(one["Principal"])
        actions = _texts(one, "Action", "NotAction")
        if not actions:
            raise malformed_policy("Missing required field Action")
        if not all(_TRUST_ACTIONS.fullmatch(action) for action in actions):
            raise malformed_policy("AssumeRole policy may only specify STS AssumeRole actions.")
    if not _passes_legacy(statements):
        raise malformed_policy(_LEGACY)
    if characters(document) > TRUST_CHARACTERS_MAX:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS_MAX}")


def _parsed(document: str, complaint: str) -> Value:
    try:
        policy = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed_policy(complaint) from error
    if not isinstance(policy, dict):
        raise malformed_policy(_SYNTAX)
    return policy


def _statements(policy: Value) -> Sequence[Value]:
    statements = policy["Statement"]
    return statements if isinstance(statements, list) else [statements]


def _texts(statement: Value, *names: str) -> tuple[str, ...]:
    """The values of whichever element stands there; null is passed over."""
    for name in names:
        if name in statement:
            values = statement[name]
            several = values if isinstance(values, list) else [values]
            return tuple(value for value in several if value is not None)
    return ()


def _check_syntax(policy: Value, *, forbidden: Iterable[str]) -> None:
    is_sound = (
        set(policy) <= {"Version", "Id", "Statement"}
        and policy.get("Version", VERSIONS[1]) in VERSIONS
        and isinstance(policy.get("Id", ""), str)
        and isinstance(policy.get("Statement"), dict | list)
        and policy["Statement"] != []
        and all(_is_sound(one, frozenset(forbidden)) for one in _statements(policy))
    )
    if not is_sound:
        raise malformed_policy(_SYNTAX)


def _is_sound(one: object, forbidden: frozenset[str]) -> bool:
    if not isinstance(one, dict) or not set(one) <= _ELEMENTS - forbidden:
        return False
    if not isinstance(one.get("Sid", ""), str) or str(one.get("Effect", "")).lower() not in ("allow", "deny"):
        return False
    for pair in (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")):
        if pair[0] in one and pair[1] in one:
            return False
    if not all(_is_texts(one.get(name, "")) for name in ("Action", "NotAction", "Resource", "NotResource")):
        return False
    return _is_condition(one.get("Condition", {}))


def _is_texts(values: object) -> bool:
    return isinstance(values, str) or (
        isinstance(values, list) and all(value is None or isinstance(value, str) for value in values)
    )


def _is_condition(block: object) -> bool:
    if not isinstance(block, dict):
        return False
    for operator, keys in block.items():
        if not isinstance(keys, dict) or (keys and not is_operator(operator)):
            return False
        for values in keys.values():
            several = values if isinstance(values, list) else [values]
            if not all(isinstance(value, str | bool | int | float) for value in several):
                return False
    return True


def _passes_legacy(statements: Sequence[Value]) -> bool:
    for one in statements:
        if one["Effect"] not in ("Allow", "Deny"):
            return False
        for operator, keys in one.get("Condition", {}).items():
            if "date" in operator.lower() and not all(
                _is_date(value) for values in keys.values() for value in as_texts(values)
            ):
                return False
        for resource in _texts(one, "Resource", "NotResource"):
            parts = resource.split(":", 5)
            if parts[0] == "arn" and len(parts) > 1 and parts[1] in _PARTITIONS:
                if len(parts) in (4, 5) and "*" not in resource:
                    return False
                if len(parts) == 6 and not parts[2]:
                    return False
    return True


def _is_date(text: str) -> bool:
    if re.fullmatch(r"[+-]?\d+", text):
        return abs(int(text)) < 2**63
    return _DATE.fullmatch(text) is not None


def _check_resources(resources: Sequence[str]) -> None:
    for resource in resources:
        if resource == "*" or resource.startswith("${"):
            continue
        parts = resource.split(":", 5)
        if len(parts) == 1 and not resource.startswith(("arn", "*")):
            raise malformed_policy(f'Resource {resource} must be in ARN format or "*".')
        if len(parts) == 1:
            continue
        if parts[1] not in _PARTITIONS and "*" not in parts[1] and "${" not in parts[1]:
            padded = ":".join(["arn", *parts[1:], *["*"] * (6 - len(parts))])
            raise malformed_policy(f'Partition "{parts[1]}" is not valid for resource "{padded}".')
        if len(parts) == 2 and "*" not in parts[1]:
            raise malformed_policy("Resource vendor must be fully qualified and cannot contain regexes.")
        if len(parts) == 6:
            _check_service_resource(resource, parts)


def _check_service_resource(resource: str, parts: Sequence[str]) -> None:
    if parts[2] == "iam":
        if parts[3] not in ("", "*"):
            raise malformed_policy(f"IAM resource {resource} cannot contain region information.")
        if not parts[5].startswith(("*", "root", "${", *_IAM_PATHS)) and "*" not in parts[5].split("/", 1)[0]:
            paths = ", ".join(_IAM_PATHS)
            raise malformed_policy(f'IAM resource path must either be "*" or start with {paths}.')
    elif parts[2] == "s3" and parts[3] not in ("", "*") and not parts[5].startswith("accesspoint/"):
        raise malformed_policy(f"Resource {resource} can not contain region information.")


def _check_actions(actions: Sequence[str]) -> None:
    for action in actions:
        if action == "*":
            continue
        vendor, *names = action.split(":")
        if not names:
            raise malformed_policy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        if len(names) > 1:
            raise malformed_policy("Actions/Condition can contain only one colon.")
        if not _VENDOR.fullmatch(vendor):
            raise malformed_policy(f"Vendor {vendor} is not valid")


def _check_principal(principal: object) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict):
        raise malformed_policy(f'Invalid principal in policy: "STAR":"{principal}"')
    for kind, values in principal.items():
        several = values if isinstance(values, list) else [values]
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser") or not _is_texts(several):
            raise malformed_policy("Invalid principal in policy")
        for value in several:
            if kind == "AWS" and not _is_aws_principal(value):
                raise malformed_policy(f'Invalid principal in policy: "AWS":"{value}"')
            if kind == "Service" and "." not in value and value != "*":
                raise malformed_policy(f'Invalid principal in policy: "SERVICE":"{value}"')


def _is_aws_principal(value: str) -> bool:
    if value == "*" or re.fullmatch(r"\d{12}", value) or re.fullmatch(r"A(ID|RO)A[A-Z0-9]+", value):
        return True
    known = r"arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/[^*]+|user/\*)"
    return re.fullmatch(known, value) is not None
