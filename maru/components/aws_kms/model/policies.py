"""Key policies: the default one, those of AWS managed keys, and what a policy must be to be taken.

Source: KMS Developer Guide, "Default key policy", "Key policies in AWS KMS"; IAM User Guide, "Grammar of the
IAM JSON policy language".
"""

from __future__ import annotations

import re

import msgspec

from maru.components.aws_kms.errors import malformed_policy
from maru.core.document import Value

NAME = "default"
BYTES_MAX = 32 * 1024
_PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/.+)")
_USES = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"]


def default_policy(account: str) -> str:
    """What a key gets without a policy: the account's IAM policies decide."""
    return _written(
        {
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        }
    )


def managed_policy(service: str, account: str, region: str) -> str:
    """Of alias/aws/SERVICE: used only through the service, by whom the service lets; looked at by the account."""
    return _written(
        {
            "Version": "2012-10-17",
            "Id": f"auto-{service}-1",
            "Statement": [
                {
                    "Sid": f"Allow access through {service} for all principals in the account that are authorized",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": _USES,
                    "Resource": "*",
                    "Condition": {
                        "StringEquals": {
                            "kms:CallerAccount": account,
                            "kms:ViaService": f"{service}.{region}.amazonaws.com",
                        }
                    },
                },
                {
                    "Sid": "Allow direct access to key metadata to the account",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                    "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                    "Resource": "*",
                },
            ],
        }
    )


def is_policy(text: str) -> bool:
    """Whether it is an object with statements at all."""
    try:
        policy = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(policy, dict) and isinstance(policy.get("Statement"), list | dict)


def read_policy(text: str) -> Value:
    """The policy decoded, checked. Raises Invalid (MalformedPolicyDocumentException) with what is wrong."""
    if len(text.encode()) > BYTES_MAX:
        raise malformed_policy(f"The policy is larger than {BYTES_MAX} bytes.")
    try:
        policy = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise malformed_policy("Policy contains invalid json") from error
    if not isinstance(policy, dict):
        raise malformed_policy("Policy document should be an object")
    if policy.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise malformed_policy("Policy contains an invalid version identifier")
    unknown = sorted(set(policy) - {"Version", "Id", "Statement"})
    if unknown:
        raise malformed_policy(f"Policy contains an unknown element: {unknown[0]}")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise malformed_policy("Policy must contain at least one statement")
    for statement in statements:
        _check_statement(statement)
    return policy


def _check_statement(statement: object) -> None:
    if not isinstance(statement, dict):
        raise malformed_policy("Policy statement must be an object")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed_policy("Policy statement must contain an effect of Allow or Deny")
    if ("Principal" in statement) == ("NotPrincipal" in statement):
        raise malformed_policy("Policy contains a statement with one or more invalid principals.")
    _check_principals(statement.get("Principal", statement.get("NotPrincipal")))
    if ("Action" in statement) == ("NotAction" in statement):
        raise malformed_policy("Policy statement must contain actions.")
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and not _is_texts(statement[name]):
            raise malformed_policy(f"Policy statement has an invalid {name}")
    if ("Resource" in statement) == ("NotResource" in statement):
        raise malformed_policy("Policy statement must contain resources.")
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        raise malformed_policy("Policy statement has an invalid Condition")


def _check_principals(principals: object) -> None:
    if principals == "*":
        return
    if not isinstance(principals, dict) or not principals or set(principals) - {"AWS", "Service", "Federated"}:
        raise malformed_policy("Policy contains a statement with one or more invalid principals.")
    for kind, named in principals.items():
        texts = [named] if isinstance(named, str) else named
        is_known = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        if not is_known or (kind == "AWS" and not all(_PRINCIPAL.fullmatch(text) for text in texts)):
            raise malformed_policy("Policy contains a statement with one or more invalid principals.")


def _is_texts(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(text, str) for text in value)
    return isinstance(value, str)


def _written(policy: Value) -> str:
    return msgspec.json.format(msgspec.json.encode(policy), indent=2).decode()
