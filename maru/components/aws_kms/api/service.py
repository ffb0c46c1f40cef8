"""KMS as a service behind the front door: every operation by name, and its keys for other services.

Source: botocore's model of kms; AWS KMS Developer Guide, "Using AWS KMS with other services".
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_kms.api.aliases import Aliases
from maru.components.aws_kms.api.encryption import Encryption, Sealed
from maru.components.aws_kms.api.gate import Access, Asker, Gate
from maru.components.aws_kms.api.grants import Grants
from maru.components.aws_kms.api.imports import Imports
from maru.components.aws_kms.api.keys import Keys
from maru.components.aws_kms.api.policies import Policies
from maru.components.aws_kms.api.regions import Regions
from maru.components.aws_kms.api.rotation import Rotation
from maru.components.aws_kms.api.signing import Signing
from maru.components.aws_kms.api.stores import Stores
from maru.components.aws_kms.api.uses import Uses
from maru.components.aws_kms.api.vault import Target, Vault
from maru.components.aws_kms.errors import denied
from maru.components.aws_kms.quirks import PREDEFINED
from maru.contracts.aws_access import AwsAuthorizer, AwsCaller, Circumstances
from maru.contracts.aws_keys import DataKey
from maru.contracts.aws_service import AwsOperation

_DATA_KEY_BYTES = 32
_MANAGED = "alias/aws/"
_VIA_LABELS = 3  # of a service that tells no Region


class KmsService:
    """As contracts.aws_service.AwsService."""

    name = "kms"

    def __init__(self, operations: Mapping[str, AwsOperation], vault: Vault) -> None:
        self._operations = operations
        self._vault = vault

    def operations(self) -> Mapping[str, AwsOperation]:
        """Those of the model that are done: all."""
        return self._operations

    async def reset(self) -> None:
        """As contracts.aws_service.Resettable."""
        await self._vault.grants.clear()
        await self._vault.aliases.clear()
        await self._vault.keys.clear()


class ServiceKeys:
    """As contracts.aws_keys.AwsKeys."""

    def __init__(self, vault: Vault, encryption: Encryption) -> None:
        self._vault = vault
        self._encryption = encryption

    async def generate_data_key(
        self, caller: AwsCaller, circumstances: Circumstances, key: str, context: Mapping[str, str]
    ) -> DataKey:
        asker = _asker(caller, circumstances)
        target = await self._target(asker, key)
        plain, sealed = self._encryption.make_data_key(
            asker, target, "GenerateDataKey", Access(context=context), _DATA_KEY_BYTES
        )
        return DataKey(plain, sealed, target.key.arn)

    async def decrypt(
        self, caller: AwsCaller, circumstances: Circumstances, sealed: bytes, context: Mapping[str, str]
    ) -> bytes:
        asker = _asker(caller, circumstances)
        return self._encryption.open(asker, Sealed(sealed, context), "Decrypt", ()).plain

    async def _target(self, asker: Asker, reference: str) -> Target:
        if not asker.caller.account:
            raise denied("Anonymous requests cannot use KMS keys.")
        own = f"arn:aws:kms:{asker.region}:{asker.caller.account}:"
        service = reference.removeprefix(own).removeprefix(_MANAGED)
        if service in PREDEFINED and _MANAGED in reference:
            return await self._vault.ensure_managed(asker.caller.account, asker.region, service)
        return self._vault.find(asker.caller.account, asker.region, reference)


def _asker(caller: AwsCaller, circumstances: Circumstances) -> Asker:
    """Keys are sought where the service works: s3.eu-west-1.amazonaws.com tells its Region."""
    labels = caller.via.split(".")
    return Asker(caller, circumstances, labels[1] if len(labels) > _VIA_LABELS else circumstances.region)


def assemble(vault: Vault, authorizer: AwsAuthorizer) -> tuple[KmsService, ServiceKeys]:
    """The service and its keys for others, over one vault."""
    gate = Gate(vault, authorizer)
    uses = Uses(vault.tools.clock)
    keys = Keys(vault, gate, uses)
    encryption = Encryption(vault, gate, uses)
    operations: dict[str, AwsOperation] = {}
    for part in (
        keys,
        encryption,
        Signing(vault, gate, uses, encryption),
        Aliases(vault, gate),
        Policies(vault, gate, keys),
        Grants(vault, gate),
        Rotation(vault, gate),
        Imports(vault, gate),
        Regions(vault, gate, keys),
        Stores(gate),
    ):
        operations |= part.operations()
    return KmsService(operations, vault), ServiceKeys(vault, encryption)
