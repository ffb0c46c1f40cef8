"""IAM and STS put together: each noun's operations under the service's name.

Source: botocore's service models iam-2010-05-08 and sts-2011-06-15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.components.aws_iam.api.access_keys import AccessKeys
from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.identity import Identity
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.users import Users
from maru.contracts.aws_service import AwsOperation


@dataclass(frozen=True, slots=True)
class Service:
    """See contracts/aws_service.AwsService."""

    name: str
    by_name: Mapping[str, AwsOperation]

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return self.by_name


def assemble(book: Book) -> tuple[Service, Service]:
    """(iam, sts)."""
    lookup, asker = Lookup(book), Asker(book)
    keys = AccessKeys(book, lookup, asker)
    nouns = (keys, Users(book, lookup, asker, keys))
    iam = {name: operation for noun in nouns for name, operation in noun.operations().items()}
    return Service("iam", iam), Service("sts", Identity().operations())
