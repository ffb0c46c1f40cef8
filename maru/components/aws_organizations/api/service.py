"""Organizations as a service behind the front door. Source: botocore's model of organizations."""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_organizations.api.accounts import Accounts
from maru.components.aws_organizations.api.attachments import Attachments
from maru.components.aws_organizations.api.delegation import Delegation
from maru.components.aws_organizations.api.gate import Gate
from maru.components.aws_organizations.api.handshakes import Handshakes
from maru.components.aws_organizations.api.organization import OrganizationOperations
from maru.components.aws_organizations.api.policies import Policies
from maru.components.aws_organizations.api.tags import Tags
from maru.components.aws_organizations.api.units import Units
from maru.components.aws_organizations.config import OrganizationsConfig
from maru.components.aws_organizations.engine.births import Births
from maru.components.aws_organizations.engine.tree import Tree
from maru.contracts.aws_service import AwsOperation


class OrganizationsService:
    """As contracts.aws_service.AwsService."""

    name = "organizations"

    def __init__(self, tree: Tree, births: Births, config: OrganizationsConfig) -> None:
        gate = Gate(tree)
        self._tree = tree
        self._births = births
        operations: dict[str, AwsOperation] = {}
        for part in (
            OrganizationOperations(tree, gate),
            Accounts(tree, gate, births, config),
            Units(tree, gate),
            Policies(tree, gate),
            Attachments(tree, gate),
            Delegation(tree, gate),
            Handshakes(tree, gate, config),
            Tags(tree, gate),
        ):
            operations |= part.operations()
        self._operations = operations

    def operations(self) -> Mapping[str, AwsOperation]:
        """Those that are done."""
        return self._operations

    async def reset(self) -> None:
        """As contracts.aws_service.Resettable; the first account is made anew."""
        shelves = self._tree.shelves
        for kept in (shelves.requests, shelves.handshakes, shelves.policies, shelves.units, shelves.organizations):
            await kept.clear()
        await shelves.accounts.clear()
        await self._births.ensure_first()
