"""Conditions of a CertificateSigningRequest, and when it has served its purpose.

Source: pkg/controller/certificates/approver/sarapprove.go and cleaner/cleaner.go.
"""

from __future__ import annotations

import base64
import copy
from datetime import datetime, timedelta

from cryptography import x509

from maru.components.certificates.model.request import (
    Content,
    condition_time,
    is_issued,
    requestor,
    usages_of,
)
from maru.components.certificates.model.signers import KUBELET_CLIENT, check_kubelet_client
from maru.core.access import Attributes, Authorizer
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value
from maru.core.errors import Invalid

DONE_LIFE = timedelta(hours=1)  # approved, denied or failed
PENDING_LIFE = timedelta(hours=24)
_GROUP = "certificates.k8s.io"


def with_condition(request: Value, kind: str, reason: str, message: str, now: datetime) -> Value:
    """A copy with one more condition that is true."""
    changed = copy.deepcopy(request)
    stamp = rfc3339(now)
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
    }
    changed.setdefault("status", {}).setdefault("conditions", []).append(condition)
    return changed


def with_certificate(request: Value, certificate: bytes) -> Value:
    """A copy that holds the certificate (PEM)."""
    changed = copy.deepcopy(request)
    changed.setdefault("status", {})["certificate"] = base64.b64encode(certificate).decode()
    return changed


def approval_of(request: Value, content: Content, authorizer: Authorizer) -> str:
    """Why a kubelet's client certificate is approved without a person; "" if a person must."""
    if request.get("spec", {}).get("signerName") != KUBELET_CLIENT:
        return ""
    try:
        check_kubelet_client(content, usages_of(request))
    except Invalid:
        return ""
    asker = requestor(request)
    kinds = [("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")]
    if asker.name == content.common_name:
        kinds.insert(0, ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."))
    for subresource, message in kinds:
        attributes = Attributes("create", _GROUP, "*", "certificatesigningrequests", subresource)
        if authorizer.authorize(asker, attributes).allowed:
            return message
    return ""


def removal_due(request: Value) -> datetime:
    """The moment from which the request is to be removed."""
    dues = []
    for kind in ("Approved", "Denied", "Failed"):
        updated = condition_time(request, kind)
        if updated is not None:
            dues.append(updated + DONE_LIFE)
    if is_issued(request):
        expires = _expiry(request)
        if expires is not None:
            dues.append(expires)
    return min(dues, default=parse_rfc3339(request["metadata"]["creationTimestamp"]) + PENDING_LIFE)


def _expiry(request: Value) -> datetime | None:
    try:
        pem = base64.b64decode(request["status"]["certificate"])
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None
