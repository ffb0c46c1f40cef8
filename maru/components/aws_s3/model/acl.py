"""Access control lists: canned ones, grants in headers and in XML, and what a grant lets whom do.

A grant is kept as {"permission": ..., "id": canonical id} or {"permission": ..., "uri": group}.
Source: Amazon S3 User Guide, "Access control list (ACL) overview".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.components.aws_s3.model.names import canonical_id
from maru.contracts.aws_access import AwsCaller, CallerKind
from maru.core.document import Value

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
_GROUPS = (ALL_USERS, AUTHENTICATED, LOG_DELIVERY)
_PERMISSIONS = ("FULL_CONTROL", "WRITE", "WRITE_ACP", "READ", "READ_ACP")
_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
_BUCKET_ACTIONS = {
    "READ": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "WRITE": ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_OBJECT_ACTIONS = {
    "READ": ("s3:GetObject", "s3:GetObjectVersion"),
    "READ_ACP": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "WRITE_ACP": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
}
BUCKET_CANNED = ("private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write")
OBJECT_CANNED = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
Grants = list[dict[str, object]]


def default_grants(owner: str) -> Grants:
    """The owner's full control. owner: an account."""
    return [{"permission": "FULL_CONTROL", "id": canonical_id(owner)}]


def canned(name: str, owner: str, bucket_owner: str) -> Grants:
    """The grants of a canned ACL; owner, bucket_owner: accounts."""
    grants = default_grants(owner)
    match name:
        case "public-read":
            grants.append({"permission": "READ", "uri": ALL_USERS})
        case "public-read-write":
            grants.append({"permission": "READ", "uri": ALL_USERS})
            grants.append({"permission": "WRITE", "uri": ALL_USERS})
        case "authenticated-read":
            grants.append({"permission": "READ", "uri": AUTHENTICATED})
        case "log-delivery-write":
            grants.append({"permission": "WRITE", "uri": LOG_DELIVERY})
            grants.append({"permission": "READ_ACP", "uri": LOG_DELIVERY})
        case "bucket-owner-read" if bucket_owner != owner:
            grants.append({"permission": "READ", "id": canonical_id(bucket_owner)})
        case "bucket-owner-full-control" if bucket_owner != owner:
            grants.append({"permission": "FULL_CONTROL", "id": canonical_id(bucket_owner)})
    return grants


def from_headers(parameters: Mapping[str, object]) -> Grants:
    """The grants of x-amz-grant-* headers; empty if there are none. Raises InvalidArgument, NotImplemented."""
    grants: Grants = []
    for name, permission in _HEADERS.items():
        text = parameters.get(name)
        for grantee in str(text).split(",") if text else ():
            kind, _, value = grantee.strip().partition("=")
            value = value.strip().strip("\"'")
            if kind == "id":
                _check_id(value)
                grants.append({"permission": permission, "id": value})
            elif kind == "uri":
                _check_group(value)
                grants.append({"permission": permission, "uri": value})
            elif kind == "emailAddress":
                raise refusal("NotImplemented", "Grants by email address are not supported.")
            else:
                raise bad_argument("Argument format not recognized", f"x-amz-grant-{permission.lower()}", grantee)
    return grants


def from_policy(policy: Value) -> Grants:
    """The grants of an AccessControlPolicy. Raises MalformedACLError, InvalidArgument."""
    grants: Grants = []
    if not policy.get("Owner") or policy.get("Grants") is None:
        raise refusal("MalformedACLError")
    for grant in policy["Grants"]:
        grantee, permission = grant.get("Grantee") or {}, grant.get("Permission")
        if permission not in _PERMISSIONS:
            raise refusal("MalformedACLError")
        match grantee.get("Type"):
            case "CanonicalUser":
                _check_id(str(grantee.get("ID", "")))
                grants.append({"permission": permission, "id": grantee["ID"]})
            case "Group":
                _check_group(str(grantee.get("URI", "")))
                grants.append({"permission": permission, "uri": grantee["URI"]})
            case "AmazonCustomerByEmail":
                raise refusal("NotImplemented", "Grants by email address are not supported.")
            case _:
                raise refusal("MalformedACLError")
    return grants


def told(grants: Sequence[Mapping[str, object]]) -> list[Value]:
    """Grants as GetBucketAcl and GetObjectAcl answer them."""
    answer: list[Value] = []
    for grant in grants:
        if "id" in grant:
            grantee: Value = {"Type": "CanonicalUser", "ID": grant["id"]}
        else:
            grantee = {"Type": "Group", "URI": grant["uri"]}
        answer.append({"Grantee": grantee, "Permission": grant["permission"]})
    return answer


def is_public(grants: Sequence[Mapping[str, object]]) -> bool:
    """Whether somebody outside is let in as one of a crowd."""
    return any(grant.get("uri") in (ALL_USERS, AUTHENTICATED) for grant in grants)


def allows(grants: Sequence[Mapping[str, object]], caller: AwsCaller, action: str, *, of_object: bool) -> str:
    """Whom a grant lets do `action`: "*" anybody, the caller's "account", or "" nobody."""
    actions = _OBJECT_ACTIONS if of_object else _BUCKET_ACTIONS
    wanted = {permission for permission, those in actions.items() if action in those} | {"FULL_CONTROL"}
    if not any(action in those for those in actions.values()):
        return ""
    is_known = caller.kind is not CallerKind.ANONYMOUS
    own = canonical_id(caller.account) if is_known else ""
    reached = [grant for grant in grants if grant["permission"] in wanted]
    if any(grant.get("uri") == ALL_USERS or (is_known and grant.get("uri") == AUTHENTICATED) for grant in reached):
        return "*"
    return "account" if is_known and any(grant.get("id") == own for grant in reached) else ""


def _check_id(value: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise bad_argument("Invalid id", "CanonicalUser/ID", value)


def _check_group(value: str) -> None:
    if value not in _GROUPS:
        raise bad_argument("Invalid group uri", "Group/URI", value)
