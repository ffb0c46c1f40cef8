"""Virtual MFA devices: a seed that an authenticator app shows codes of.

Source: IAM API reference, CreateVirtualMFADevice, EnableMFADevice, ListVirtualMFADevices.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import ROOT_USER, Book, seed_context
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.api.shapes import user_members
from maru.components.aws_iam.engine.pictures import qr_code
from maru.components.aws_iam.errors import already_exists, coded, delete_conflict, no_such
from maru.components.aws_iam.model.codes import are_consecutive
from maru.components.aws_iam.model.documents import Device
from maru.components.aws_iam.model.names import check_name, check_path, check_tags, tag_list
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.clock import parse_rfc3339, rfc3339

SEED_CHARACTERS = 64


class Devices:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        asker = self._asker
        performs = {
            "EnableMFADevice": self.enable,
            "DeactivateMFADevice": self.deactivate,
            "ResyncMFADevice": self.resync,
            "ListMFADevices": self.list_of_user,
        }
        return {
            **{name: AwsOperation(perform, asker.about(name, asker.user)) for name, perform in performs.items()},
            "CreateVirtualMFADevice": AwsOperation(self.create, asker.alone("CreateVirtualMFADevice")),
            "DeleteVirtualMFADevice": AwsOperation(self.delete, asker.arn("DeleteVirtualMFADevice", "SerialNumber")),
            "ListVirtualMFADevices": AwsOperation(self.list_all, asker.alone("ListVirtualMFADevices")),
            "GetMFADevice": AwsOperation(self.get, asker.alone("GetMFADevice")),
        }

    async def create(self, call: AwsCall) -> Members:
        given = call.parameters
        name = given["VirtualMFADeviceName"]
        path = check_path(given.get("Path") or "/")
        check_name("virtualMFADeviceName", name)
        arn = f"arn:aws:iam::{call.account}:mfa{path}{name}"
        if any(one.arn.lower() == arn.lower() for one in self._book.devices.list(call.account)):
            raise already_exists("MFADevice entity at the same path and name already exists.")
        noise = self._book.tools.ids.secret(SEED_CHARACTERS).encode()[: SEED_CHARACTERS * 5 // 8]
        sealed = base64.b64encode(self._book.tools.sealer.seal(noise, seed_context(name))).decode()
        spec = {"name": name, "path": path, "sealed": sealed, "tags": check_tags(given.get("Tags"))}
        device = await self._book.devices.create_at(call.account, f"{path}{name}".lstrip("/"), spec)
        seed = base64.b32encode(noise).decode()
        address = f"otpauth://totp/Amazon%20Web%20Services:{name}@{call.account}?secret={seed}&issuer=Amazon"
        return {
            "VirtualMFADevice": {
                "SerialNumber": device.arn,
                "Base32StringSeed": seed.encode(),
                "QRCodePNG": qr_code(address),
                "Tags": tag_list(device.fields.tags) or None,
            }
        }

    async def delete(self, call: AwsCall) -> Members:
        device = self._lookup.device(call)
        if device.fields.user:
            raise delete_conflict("MFA device is in use. Must deactivate first.")
        await self._book.devices.delete(device)
        return {}

    async def enable(self, call: AwsCall) -> Members:
        given = call.parameters
        owner = self._owner(call)
        device = self._lookup.device(call)
        if device.fields.user:
            raise already_exists("MFA Device is already in use.")
        self._check_codes(call, device)
        if sum(one.fields.user.lower() == owner.lower() for one in self._book.devices.list(call.account)) >= 8:
            raise coded("LimitExceeded", "Cannot exceed quota for MFADevicesPerUser: 8", 409)
        now = rfc3339(self._book.tools.clock.now())
        await self._book.devices.change(device, {"user": owner, "enabledAt": now})
        assert given["SerialNumber"] == device.arn
        return {}

    async def resync(self, call: AwsCall) -> Members:
        self._check_codes(call, self._own(call))
        return {}

    async def deactivate(self, call: AwsCall) -> Members:
        await self._book.devices.change(self._own(call), {"user": "", "enabledAt": ""})
        return {}

    async def list_of_user(self, call: AwsCall) -> Members:
        owner = self._owner(call)
        entries = [
            {
                "UserName": "" if owner == ROOT_USER else owner,
                "SerialNumber": device.arn,
                "EnableDate": parse_rfc3339(device.fields.enabled_at),
            }
            for device in self._book.devices.list(call.account)
            if device.fields.user.lower() == owner.lower()
        ]
        return page("MFADevices", entries, call)

    async def list_all(self, call: AwsCall) -> Members:
        status = call.parameters.get("AssignmentStatus") or "Any"
        entries = [
            self._members(device)
            for device in self._book.devices.list(call.account)
            if status == "Any" or bool(device.fields.user) == (status == "Assigned")
        ]
        return page("VirtualMFADevices", entries, call)

    async def get(self, call: AwsCall) -> Members:
        device = self._lookup.device(call)
        wanted = call.parameters.get("UserName")
        if not device.fields.user or (wanted and wanted.lower() != device.fields.user.lower()):
            raise no_such(f"VirtualMFADevice with serial number {device.arn} doesn't exist.")
        return {
            "UserName": None if device.fields.user == ROOT_USER else device.fields.user,
            "SerialNumber": device.arn,
            "EnableDate": parse_rfc3339(device.fields.enabled_at),
        }

    def _members(self, device: Device) -> Members:
        members: Members = {"SerialNumber": device.arn}
        if device.fields.user:
            members["EnableDate"] = parse_rfc3339(device.fields.enabled_at)
            user = self._book.users.find(device.account, device.fields.user)
            if user is not None:
                members["User"] = user_members(user)
            elif device.fields.user == ROOT_USER:
                arn = f"arn:aws:iam::{device.account}:root"
                born_at = self._book.born_at(device.account)
                members["User"] = {"UserId": device.account, "Arn": arn, "CreateDate": born_at}
        return members

    def _owner(self, call: AwsCall) -> str:
        if call.parameters.get("UserName") is None and call.caller.kind is CallerKind.ROOT:
            return ROOT_USER
        return self._lookup.user(call).name

    def _own(self, call: AwsCall) -> Device:
        owner, wanted = self._owner(call), call.parameters["SerialNumber"]
        for device in self._book.devices.list(call.account):
            if device.arn == wanted and device.fields.user.lower() == owner.lower():
                return device
        raise no_such(f"VirtualMFADevice with serial number {wanted} doesn't exist.")

    def _check_codes(self, call: AwsCall, device: Device) -> None:
        given = call.parameters
        now_s = int(self._book.tools.clock.now().timestamp())
        first, second = str(given["AuthenticationCode1"]), str(given["AuthenticationCode2"])
        if not are_consecutive(self._book.seed(device), first, second, now_s):
            raise coded("InvalidAuthenticationCode", "Authentication code for device is not valid.", 403)
