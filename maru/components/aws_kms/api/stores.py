"""Custom key stores: there is none, and what could stand behind one is not to be found.

Source: AWS KMS API reference, CreateCustomKeyStore, DescribeCustomKeyStores and their errors.
"""

from __future__ import annotations

from collections.abc import Mapping

from maru.components.aws_kms.api.gate import Gate
from maru.components.aws_kms.errors import coded, invalid, not_found
from maru.contracts.aws_service import AwsCall, AwsOperation, Members


class Stores:
    """See the module."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        return {
            "CreateCustomKeyStore": AwsOperation(self.create),
            "DescribeCustomKeyStores": AwsOperation(self.describe),
            "ConnectCustomKeyStore": AwsOperation(self.refuse),
            "DisconnectCustomKeyStore": AwsOperation(self.refuse),
            "UpdateCustomKeyStore": AwsOperation(self.refuse),
            "DeleteCustomKeyStore": AwsOperation(self.refuse),
        }

    async def create(self, call: AwsCall) -> Members:
        self._gate.allow_alone(call, "CreateCustomKeyStore")
        given = call.parameters
        if given.get("CustomKeyStoreType") == "EXTERNAL_KEY_STORE":
            raise coded("XksProxyUriUnreachableException", "External key store proxies are not reached from here.")
        if not given.get("CloudHsmClusterId"):
            raise invalid("CloudHsmClusterId must be specified for a custom key store of type AWS_CLOUDHSM.")
        raise coded("CloudHsmClusterNotFoundException", f"Cluster {given['CloudHsmClusterId']} was not found.")

    async def describe(self, call: AwsCall) -> Members:
        self._gate.allow_alone(call, "DescribeCustomKeyStores")
        for name in ("CustomKeyStoreId", "CustomKeyStoreName"):
            if call.parameters.get(name):
                raise _missing(call.parameters[name])
        return {"CustomKeyStores": [], "Truncated": False}

    async def refuse(self, call: AwsCall) -> Members:
        self._gate.allow_alone(call, call.operation)
        raise _missing(call.parameters["CustomKeyStoreId"])


def _missing(name: str) -> Exception:
    error = not_found(f"Custom key store {name} was not found.")
    error.details["code"] = "CustomKeyStoreNotFoundException"
    return error
