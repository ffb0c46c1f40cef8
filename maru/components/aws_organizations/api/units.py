"""Organizational units and the tree they make.

Source: AWS Organizations API reference, CreateOrganizationalUnit, UpdateOrganizationalUnit, ListChildren, ListParents.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_organizations.api.gate import Gate, Rule, operation
from maru.components.aws_organizations.api.organization import FULL_ACCESS
from maru.components.aws_organizations.api.shapes import page, read_tags, unit_shape
from maru.components.aws_organizations.engine.tree import Tree
from maru.components.aws_organizations.errors import conflict, duplicate, invalid, violated
from maru.components.aws_organizations.model.documents import Organization
from maru.components.aws_organizations.model.names import ACCOUNT, ROOT, UNIT, check_form, root_suffix
from maru.contracts.aws_service import AwsCall, AwsOperation, Members

_DEPTH_MAX = 5  # units below the root
_UNITS_MAX = 2000


class Units:
    """See the module."""

    def __init__(self, tree: Tree, gate: Gate) -> None:
        self._tree = tree
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        gate = self._gate
        return {
            "CreateOrganizationalUnit": operation(gate, self.create, Rule("ParentId")),
            "DescribeOrganizationalUnit": operation(gate, self.describe, Rule("OrganizationalUnitId")),
            "UpdateOrganizationalUnit": operation(gate, self.update, Rule("OrganizationalUnitId")),
            "DeleteOrganizationalUnit": operation(gate, self.delete, Rule("OrganizationalUnitId")),
            "ListOrganizationalUnitsForParent": operation(gate, self.list_in, Rule("ParentId")),
            "ListChildren": operation(gate, self.children, Rule("ParentId")),
            "ListParents": operation(gate, self.parents, Rule("ChildId")),
        }

    async def create(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        parent = check_form(call.parameters["ParentId"], ROOT, UNIT)
        self._tree.check_parent(organization, parent)
        name: str = call.parameters["Name"]
        self._check_name(parent, name)
        if len(self._tree.path(organization, parent)) > _DEPTH_MAX:
            raise violated("OU_DEPTH_LIMIT_EXCEEDED", "You have exceeded the maximum nesting depth of an OU tree.")
        if len(self._tree.units(organization)) >= _UNITS_MAX:
            raise violated("OU_NUMBER_LIMIT_EXCEEDED", "You have exceeded the number of OUs in an organization.")
        unit_id = f"ou-{root_suffix(organization.fields.root)}-{self._tree.ids.suffix(8)}"
        fields = {
            "id": unit_id,
            "name": name,
            "organization": organization.fields.id,
            "parent": parent,
            "createdAt": self._tree.stamp(),
            "policies": FULL_ACCESS,
            "tags": read_tags(call.parameters.get("Tags")),
        }
        unit = await self._tree.shelves.units.create({"metadata": {"name": unit_id}, "spec": fields})
        return {"OrganizationalUnit": unit_shape(self._tree, organization, unit)}

    async def describe(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        unit = self._tree.unit(organization, self._named(call))
        return {"OrganizationalUnit": unit_shape(self._tree, organization, unit)}

    async def update(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        unit = self._tree.unit(organization, self._named(call))
        name = call.parameters.get("Name")
        if name is not None:
            self._check_name(unit.fields.parent, name)
            unit = await self._tree.change_unit(organization, unit.fields.id, lambda _: {"name": name})
        return {"OrganizationalUnit": unit_shape(self._tree, organization, unit)}

    async def delete(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        unit = self._tree.unit(organization, self._named(call))
        if self._tree.units_in(unit.fields.id) or self._tree.accounts_in(organization, unit.fields.id):
            raise conflict("OrganizationalUnitNotEmptyException", "The specified OU is not empty.")
        await self._tree.shelves.units.delete("", unit.fields.id)
        return {}

    async def list_in(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        parent = check_form(call.parameters["ParentId"], ROOT, UNIT)
        found = self._tree.units_in(self._tree.check_parent(organization, parent))
        return page("OrganizationalUnits", [unit_shape(self._tree, organization, unit) for unit in found], call)

    async def children(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        parent = check_form(call.parameters["ParentId"], ROOT, UNIT)
        kind = call.parameters["ChildType"]
        if kind not in ("ACCOUNT", "ORGANIZATIONAL_UNIT"):
            raise invalid(reason="INVALID_ENUM")
        self._tree.check_parent(organization, parent)
        if kind == "ACCOUNT":
            names = [account.fields.id for account in self._tree.accounts_in(organization, parent)]
        else:
            names = [unit.fields.id for unit in self._tree.units_in(parent)]
        return page("Children", [{"Id": name, "Type": kind} for name in names], call)

    async def parents(self, call: AwsCall) -> Members:
        organization = self._tree.organization_of(call.account)
        child = check_form(call.parameters["ChildId"], ACCOUNT, UNIT)
        parent = self._parent(organization, child)
        kind = "ROOT" if parent == organization.fields.root else "ORGANIZATIONAL_UNIT"
        return page("Parents", [{"Id": parent, "Type": kind}], call)

    def _parent(self, organization: Organization, child: str) -> str:
        if child.isdigit():
            return self._tree.member(organization, child, "ChildNotFoundException").fields.parent
        return self._tree.unit(organization, child, "ChildNotFoundException").fields.parent

    def _named(self, call: AwsCall) -> str:
        name: str = call.parameters["OrganizationalUnitId"]
        return check_form(name, UNIT, ROOT)

    def _check_name(self, parent: str, name: str) -> None:
        if any(unit.fields.name == name for unit in self._tree.units_in(parent)):
            raise duplicate("DuplicateOrganizationalUnitException", "An OU with the same name already exists.")
