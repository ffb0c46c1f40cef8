"""Service account tokens for projected volumes, bound to their Pod and renewed before they end.

A token is renewed when 80 % of its life, or 24 hours, are over. Source: pkg/kubelet/token,
Manager; Kubernetes documentation, "ServiceAccount token volume projection".
"""

from __future__ import annotations

from dataclasses import dataclass

from maru.core.client import Client
from maru.core.clock import Clock, parse_rfc3339
from maru.core.document import Value
from maru.kinds.resources import SERVICEACCOUNTS

LIFE_FRACTION = 0.8
AGE_MAX_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Token:
    token: str
    renew_at_s: float  # monotonic


class Tokens:
    """Tokens by Pod, audience and life."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str, int], _Token] = {}

    async def fetch(self, pod: Value, audience: str, seconds: int) -> str:
        """A token that is good for a while yet. Raises what the API answers."""
        key = (pod["metadata"]["uid"], audience, seconds)
        held = self._tokens.get(key)
        if held is not None and held.renew_at_s > self._clock.monotonic_s():
            return held.token
        metadata = pod["metadata"]
        spec: Value = {
            "audiences": [audience] if audience else [],
            "expirationSeconds": seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod["spec"].get("serviceAccountName") or "default"
        answer = await self._client.post(SERVICEACCOUNTS, metadata["namespace"], account, "token", request)
        ends = parse_rfc3339(answer["status"]["expirationTimestamp"])
        life_s = (ends - self._clock.now()).total_seconds()
        renew_at_s = self._clock.monotonic_s() + min(life_s * LIFE_FRACTION, AGE_MAX_S)
        token = _Token(answer["status"]["token"], renew_at_s)
        self._tokens[key] = token
        return token.token

    def renew_at_s(self, uid: str) -> float | None:
        """When the first token of the Pod should be renewed, None if it has none. Monotonic."""
        return min((token.renew_at_s for key, token in self._tokens.items() if key[0] == uid), default=None)

    def forget(self, uid: str) -> None:
        """The Pod is gone."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]
