"""In which state a key can do what.

Source: KMS Developer Guide, "Key states of KMS keys" and its table.
"""

from __future__ import annotations

from maru.components.aws_kms.errors import disabled, wrong_state
from maru.components.aws_kms.model.documents import Key

_WORDS = {
    "PendingDeletion": "is pending deletion.",
    "PendingReplicaDeletion": "is pending replica deletion.",
    "PendingImport": "is pending import.",
    "Creating": "is creating.",
}
_GOING = ("PendingDeletion", "PendingReplicaDeletion")


def check_usable(key: Key) -> None:
    """It must be enabled: cryptography, CreateGrant, rotation, GetPublicKey, ReplicateKey."""
    if key.state == "Enabled":
        return
    if key.state == "Disabled":
        raise disabled(key.arn)
    raise _refusal(key)


def check_switchable(key: Key) -> None:
    """EnableKey and DisableKey: not while it goes, nor while its material is away."""
    if key.state not in ("Enabled", "Disabled"):
        raise _refusal(key)


def check_staying(key: Key) -> None:
    """Aliases, tags, the description, scheduling deletion: not while it goes already."""
    if key.state in _GOING:
        raise _refusal(key)


def check_going(key: Key) -> None:
    """CancelKeyDeletion."""
    if key.state not in _GOING:
        raise wrong_state(f"{key.arn} is not pending deletion.")


def _refusal(key: Key) -> Exception:
    return wrong_state(f"{key.arn} {_WORDS[key.state]}")
