"""Documents as Organizations shows them. Source: AWS Organizations API reference, "Data types"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from maru.components.aws_organizations.engine.tree import Target, Tree
from maru.components.aws_organizations.errors import invalid
from maru.components.aws_organizations.model.documents import (
    Account,
    Organization,
    Policy,
    RequestFields,
    Unit,
)
from maru.components.aws_organizations.model.names import arn
from maru.contracts.aws_service import AwsCall, Members
from maru.core.clock import parse_rfc3339
from maru.wire.aws.json_body import Settled

_PAGE = 1000  # AWS names no default; whoever sets MaxResults gets at most 20
_TAGS_MAX = 50


def page(name: str, every: Sequence[object], call: AwsCall) -> Members:
    """The page that the call asks for. Raises Invalid for a bad NextToken."""
    size = int(call.parameters.get("MaxResults") or _PAGE)
    token = call.parameters.get("NextToken")
    if token is not None and not token.isdigit():
        raise invalid("You specified an invalid value for NextToken.", "INVALID_NEXT_TOKEN")
    start = int(token or 0)
    members: Members = {name: list(every[start : start + size])}
    if start + size < len(every):
        members["NextToken"] = str(start + size)
    return members


def moment(text: str) -> datetime | None:
    """A document's time, None where it is empty."""
    return parse_rfc3339(text) if text else None


def organization_shape(tree: Tree, organization: Organization) -> Members:
    """As DescribeOrganization tells it."""
    fields = organization.fields
    management = tree.account(fields.management)
    return {
        "Id": fields.id,
        "Arn": arn(fields.management, "organization", fields.id),
        "FeatureSet": fields.feature_set,
        "MasterAccountArn": arn(fields.management, "account", fields.id, fields.management),
        "MasterAccountId": fields.management,
        "MasterAccountEmail": management.fields.email if management is not None else "",
        # Not the types that are enabled: it tells of service control policies whatever they are.
        "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
    }


def root_shape(organization: Organization) -> Members:
    """As ListRoots tells it."""
    fields = organization.fields
    return {
        "Id": fields.root,
        "Arn": arn(fields.management, "root", fields.id, fields.root),
        "Name": "Root",
        "PolicyTypes": [{"Type": name, "Status": "ENABLED"} for name in fields.policy_types],
    }


def account_shape(tree: Tree, organization: Organization, account: Account) -> Members:
    """As DescribeAccount tells it; shared, never to be changed."""
    fields = account.fields
    known = tree.shapes.get(fields.id)
    if known is not None:
        return known
    path = tree.path(organization, fields.parent)
    shape = Settled(
        {
            "Id": fields.id,
            "Arn": arn(organization.fields.management, "account", organization.fields.id, fields.id),
            "Email": fields.email,
            "Name": fields.name,
            "Status": fields.status,
            "State": fields.status,
            "Paths": ["/".join((organization.fields.id, *path, fields.id, ""))],
            "JoinedMethod": fields.joined_method,
            "JoinedTimestamp": moment(fields.joined_at),
        }
    )
    tree.shapes[fields.id] = shape
    return shape


def unit_shape(tree: Tree, organization: Organization, unit: Unit) -> Members:
    """As DescribeOrganizationalUnit tells it."""
    fields = unit.fields
    return {
        "Id": fields.id,
        "Arn": arn(organization.fields.management, "ou", organization.fields.id, fields.id),
        "Name": fields.name,
        "Path": "/".join((organization.fields.id, *tree.path(organization, fields.id), "")),
    }


def policy_summary(organization: Organization, policy: Policy) -> Members:
    """As ListPolicies tells it."""
    fields = policy.fields
    kind = fields.type.lower()
    if policy.is_managed:
        policy_arn = f"arn:aws:organizations::aws:policy/{kind}/{fields.id}"
    else:
        policy_arn = arn(organization.fields.management, "policy", organization.fields.id, kind, fields.id)
    return {
        "Id": fields.id,
        "Arn": policy_arn,
        "Name": fields.name,
        "Description": fields.description,
        "Type": fields.type,
        "AwsManaged": policy.is_managed,
    }


def policy_shape(organization: Organization, policy: Policy) -> Members:
    """As DescribePolicy tells it."""
    return {"PolicySummary": policy_summary(organization, policy), "Content": policy.fields.content}


def target_shape(organization: Organization, target: Target) -> Members:
    """As ListTargetsForPolicy tells it."""
    management, own = organization.fields.management, organization.fields.id
    if isinstance(target, Organization):
        root = target.fields.root
        return {"TargetId": root, "Arn": arn(management, "root", own, root), "Name": "Root", "Type": "ROOT"}
    kind, type_name = ("account", "ACCOUNT") if isinstance(target, Account) else ("ou", "ORGANIZATIONAL_UNIT")
    name = target.fields.id
    return {
        "TargetId": name,
        "Arn": arn(management, kind, own, name),
        "Name": target.fields.name,
        "Type": type_name,
    }


def request_shape(request: RequestFields) -> Members:
    """As DescribeCreateAccountStatus tells it."""
    return {
        "Id": request.id,
        "AccountName": request.name,
        "State": request.state,
        "RequestedTimestamp": moment(request.requested_at),
        "CompletedTimestamp": moment(request.completed_at),
        "AccountId": request.account or None,
        "FailureReason": request.failure or None,
    }


def tag_list(tags: Mapping[str, str]) -> Sequence[Members]:
    """Tags as Organizations spells them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def read_tags(tags: Sequence[Members] | None) -> dict[str, str]:
    """The tags of a request. Raises Invalid for a name twice, or of AWS's own."""
    names = [tag["Key"] for tag in tags or ()]
    if len(set(names)) != len(names):
        raise invalid("You specified a tag key more than once.", "DUPLICATE_TAG_KEY")
    if any(name.lower().startswith("aws:") for name in names):
        raise invalid("You can't add, edit, or delete system tag keys.", "INVALID_SYSTEM_TAGS_PARAMETER")
    if len(names) > _TAGS_MAX:
        raise invalid("You have exceeded the number of tags allowed on this resource.", "MAX_LENGTH_EXCEEDED")
    return {tag["Key"]: tag["Value"] for tag in tags or ()}
