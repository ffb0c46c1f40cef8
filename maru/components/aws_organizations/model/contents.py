"""What a policy of each type must be to be taken.

Source: AWS Organizations User Guide, "SCP syntax", "RCP syntax", "Inheritance operators"; IAM User Guide, "Grammar
of the IAM JSON policy language".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maru.components.aws_organizations.errors import malformed_policy, violated
from maru.components.aws_organizations.model.inheritance import OPERATORS
from maru.components.aws_organizations.model.kinds import RCP, SCP, Kind
from maru.core.document import Value

_DEPTH_MAX = 32
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "TAG_POLICY": ("tags",),
    "BACKUP_POLICY": ("plans", "backup_rules", "vaults"),
    "AISERVICES_OPT_OUT_POLICY": ("services",),
    "CHATBOT_POLICY": ("chatbot",),
    "DECLARATIVE_POLICY_EC2": ("ec2_attributes",),
}
"""The top-level names of the types that have fixed ones."""

_CONTROL_ACTIONS = ("Action", "NotAction")


def check_content(kind: Kind, content: str) -> Value:
    """The content decoded. Raises Invalid, or TooLarge."""
    if len(content) > kind.content_max:
        raise violated("POLICY_CONTENT_LIMIT_EXCEEDED", "You have exceeded the policy size limit.")
    try:
        policy = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise malformed_policy() from error
    if not isinstance(policy, dict):
        raise malformed_policy()
    if kind.is_authorization:
        _check_statements(kind, policy)
    else:
        _check_tree(kind, policy)
    return policy


def _check_statements(kind: Kind, policy: Value) -> None:
    if set(policy) - {"Version", "Id", "Statement"}:
        raise malformed_policy()
    if policy.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        raise malformed_policy()
    statements = policy.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise malformed_policy()
    for statement in statements:
        if not isinstance(statement, dict) or not _is_statement(kind, statement):
            raise malformed_policy()


def _is_statement(kind: Kind, statement: Value) -> bool:
    effects = ("Deny",) if kind.name == RCP else ("Allow", "Deny")
    if statement.get("Effect") not in effects:
        return False
    if len({"Action", "NotAction"} & set(statement)) != 1 or len({"Resource", "NotResource"} & set(statement)) > 1:
        return False
    names = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
    if kind.name == RCP:
        names.add("Principal")
        if statement.get("Principal") not in ("*", {"AWS": "*"}, {"AWS": ["*"]}):
            return False
    if set(statement) - names or (kind.name == SCP and {"Principal", "NotPrincipal"} & set(statement)):
        return False
    texts = [statement[name] for name in (*_CONTROL_ACTIONS, "Resource", "NotResource") if name in statement]
    condition = statement.get("Condition", {})
    return all(_is_texts(value) for value in texts) and isinstance(condition, dict)


def _is_texts(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(text, str) for text in value)
    return isinstance(value, str) and bool(value)


def _check_tree(kind: Kind, policy: Value) -> None:
    sections = _SECTIONS.get(kind.name)
    if not policy or (sections and set(policy) - set(sections)):
        raise malformed_policy()
    _check_node(policy, 0)


def _check_node(node: object, depth: int) -> None:
    """Objects of settings; a name that begins with @@ must be an operator, and stands beside no setting."""
    if depth > _DEPTH_MAX:
        raise malformed_policy()
    if not isinstance(node, dict):
        if not isinstance(node, str | int | float | bool | list):
            raise malformed_policy()
        return
    for name, value in node.items():
        if name.startswith("@@"):
            if name not in OPERATORS or not isinstance(value, str | int | float | bool | list):
                raise malformed_policy()
        else:
            _check_node(value, depth + 1)
