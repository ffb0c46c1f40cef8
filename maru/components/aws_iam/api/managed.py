"""Managed policies by ARN: an account's own, and those that AWS gives to every account.

Source: IAM User Guide, "Managed policies and inline policies"; AWS Managed Policy Reference.
"""

from __future__ import annotations

from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.model.aws_policies import AwsPolicy, aws_policies
from maru.components.aws_iam.model.documents import Policy, Written


class Managed:
    """See the module."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.of_aws = aws_policies()  # by ARN

    def own(self, account: str, arn: str) -> Policy | None:
        """A customer managed policy of `account`."""
        policy = self._book.policies.find(account, arn.rsplit("/", 1)[-1])
        return policy if policy is not None and policy.arn == arn else None

    def aws(self, arn: str) -> AwsPolicy | None:
        """One that AWS manages."""
        return self.of_aws.get(arn)

    def document(self, account: str, arn: str) -> Written | None:
        """The default version of the policy, or None if there is no such policy."""
        policy = self.own(account, arn)
        if policy is not None:
            fields = policy.fields
            return next((one.document for one in fields.versions if one.id == fields.default_version), None)
        of_aws = self.of_aws.get(arn)
        return of_aws.document if of_aws is not None else None
