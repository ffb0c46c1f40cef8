"""CertificateSigningRequests: approved if they are a kubelet's own, signed once approved, removed when done.

One key is one request. Source: pkg/controller/certificates (approver, signer, cleaner).
"""

from __future__ import annotations

from datetime import timedelta

from maru.components.certificates.model.conditions import (
    approval_of,
    removal_due,
    with_certificate,
    with_condition,
)
from maru.components.certificates.model.request import (
    has_condition,
    is_approved,
    is_issued,
    read_content,
    usages_of,
)
from maru.components.certificates.model.signers import SIGNERS, check, leaf
from maru.core.access import Authorizer
from maru.core.client import Clients, DeleteOptions
from maru.core.clock import Clock
from maru.core.document import Document, Value
from maru.core.errors import Invalid, NotFound
from maru.core.identity.ca import CertificateAuthority
from maru.core.ids import Ids
from maru.core.informer import Informers
from maru.core.reconcile import Loop
from maru.kinds.resources import CERTIFICATESIGNINGREQUESTS

NAME = "certificate-controller"


class Requests:
    """The controller. life_max: the longest life of a certificate."""

    def __init__(
        self,
        clients: Clients,
        informers: Informers,
        authority: CertificateAuthority,
        authorizer: Authorizer,
        *,
        clock: Clock,
        ids: Ids,
        life_max: timedelta,
    ) -> None:
        self._client = clients.acting_as(f"system:controller:{NAME}")
        self._informer = informers.of(CERTIFICATESIGNINGREQUESTS)
        self._authority = authority
        self._authorizer = authorizer
        self._clock = clock
        self._life_max = life_max
        self.loop: Loop[str] = Loop(NAME, self._bring_right, clock, ids, workers=2)
        self._informer.on_change(self._changed)

    async def run(self) -> None:
        """Until cancelled."""
        await self._informer.wait_synced()
        await self.loop.run()

    def _changed(self, new: Document | None, old: Document | None) -> None:
        if new is not None:
            self.loop.add(new.key.name)

    async def _bring_right(self, name: str) -> float | None:
        document = self._informer.get("", name)
        if document is None:
            return None
        request = document.value
        wait_s = (removal_due(request) - self._clock.now()).total_seconds()
        if wait_s <= 0:
            await self._remove(request)
            return None
        signer = request.get("spec", {}).get("signerName")
        if signer in SIGNERS and not is_issued(request) and not has_condition(request, "Failed"):
            if is_approved(request):
                await self._sign(request, signer)
            elif not has_condition(request, "Approved") and not has_condition(request, "Denied"):
                await self._maybe_approve(request)
        return wait_s

    async def _maybe_approve(self, request: Value) -> None:
        try:
            content = read_content(request)
        except Invalid:
            return  # whoever approves it will see it fail
        message = approval_of(request, content, self._authorizer)
        if message:
            approved = with_condition(request, "Approved", "AutoApproved", message, self._clock.now())
            await self._client.update(CERTIFICATESIGNINGREQUESTS, approved, subresource="approval")

    async def _sign(self, request: Value, signer: str) -> None:
        try:
            content = read_content(request)
            check(signer, content, usages_of(request))
            certificate = self._authority.sign(content.public_key, leaf(request, content, self._life_max))
        except Invalid as error:
            signed = with_condition(request, "Failed", "SignerValidationFailure", error.why, self._clock.now())
        else:
            signed = with_certificate(request, certificate)
        await self._client.update(CERTIFICATESIGNINGREQUESTS, signed, subresource="status")

    async def _remove(self, request: Value) -> None:
        metadata = request["metadata"]
        options = DeleteOptions(uid=metadata["uid"], resource_version=metadata["resourceVersion"])
        try:
            await self._client.delete(CERTIFICATESIGNINGREQUESTS, "", metadata["name"], options)
        except NotFound:
            return
