"""What an operation of IAM asks: the action, the ARN of what it is about, and the facts of the request.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and Access
Management".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.model.documents import Entity
from maru.contracts.aws_access import CallerKind, Fact, Question
from maru.contracts.aws_service import AwsCall

Finder = Callable[[str, str], Entity[object] | None]
Asks = Callable[[AwsCall], Sequence[Question]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a parameter names: `word` as in ARNs, find: by account and name."""

    word: str
    parameter: str
    find: Finder
    is_own_by_default: bool = False


class Asker:
    """See the module."""

    def __init__(self, book: Book) -> None:
        self.user = Subject("user", "UserName", book.users.find, is_own_by_default=True)
        self.group = Subject("group", "GroupName", book.groups.find)
        self.role = Subject("role", "RoleName", book.roles.find)
        self.policy = Subject("policy", "PolicyName", book.policies.find)
        self.profile = Subject("instance-profile", "InstanceProfileName", book.profiles.find)
        self.certificate = Subject("server-certificate", "ServerCertificateName", book.certificates.find)
        self._book = book

    def about(self, operation: str, subject: Subject) -> Asks:
        """The thing that the subject's parameter names, there already or to be made."""

        def asks(call: AwsCall) -> Sequence[Question]:
            name = call.parameters.get(subject.parameter)
            if name is None and subject.is_own_by_default and call.caller.kind is CallerKind.USER:
                name = call.caller.arn.rsplit("/", 1)[-1]
            facts = request_facts(call)
            if name is None:
                return (Question(f"iam:{operation}", f"arn:aws:iam::{call.account}:root", facts=facts),)
            have = subject.find(call.account, name)
            if have is not None:
                facts |= resource_facts(have.fields)
                return (Question(f"iam:{operation}", have.arn, facts=facts),)
            path = call.parameters.get("Path") or "/"
            arn = f"arn:aws:iam::{call.account}:{subject.word}{path}{name}"
            return (Question(f"iam:{operation}", arn, facts=facts),)

        return asks

    def arn(self, operation: str, parameter: str) -> Asks:
        """The thing whose ARN is a parameter: a policy, a provider, a device."""

        def asks(call: AwsCall) -> Sequence[Question]:
            arn = str(call.parameters.get(parameter) or "*")
            facts = request_facts(call)
            for shelf in (self._book.policies, self._book.providers, self._book.devices):
                found = shelf.find_by_arn(arn)
                if found is not None and found.account == call.account:
                    facts |= resource_facts(found.fields)
            return (Question(f"iam:{operation}", arn, facts=facts),)

        return asks

    def alone(self, operation: str) -> Asks:
        """Nothing in particular: lists, the account."""
        return lambda call: (Question(f"iam:{operation}", facts=request_facts(call)),)


def request_facts(call: AwsCall) -> dict[str, Fact]:
    """What the parameters say: tags, the policy attached, the boundary."""
    given = call.parameters
    facts: dict[str, Fact] = {}
    tags = given.get("Tags")
    if tags:
        facts |= {f"aws:RequestTag/{tag['Key']}": str(tag.get("Value", "")) for tag in tags}
        facts["aws:TagKeys"] = tuple(str(tag["Key"]) for tag in tags)
    if given.get("TagKeys"):
        facts["aws:TagKeys"] = tuple(given["TagKeys"])
    for fact, parameter in _FACTS:
        if given.get(parameter):
            facts[fact] = str(given[parameter])
    return facts


def resource_facts(fields: object) -> dict[str, Fact]:
    """What the thing itself says: its tags, its boundary."""
    tags: dict[str, str] = getattr(fields, "tags", {})
    facts: dict[str, Fact] = {}
    for name, value in tags.items():
        facts[f"aws:ResourceTag/{name}"] = value
        facts[f"iam:ResourceTag/{name}"] = value
    boundary = getattr(fields, "boundary", "")
    if boundary:
        facts["iam:PermissionsBoundary"] = boundary
    return facts


_FACTS = (
    ("iam:PolicyARN", "PolicyArn"),
    ("iam:PermissionsBoundary", "PermissionsBoundary"),
    ("iam:AWSServiceName", "AWSServiceName"),
)
