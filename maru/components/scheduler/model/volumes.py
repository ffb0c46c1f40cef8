"""What a Pod's volume claims say about its node.

A claim that is bound pins the Pod to the nodes of its volume; one that waits for its first consumer
follows the Pod; any other unbound claim holds the Pod back.
Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maru.components.scheduler.model.nodes import NodeState
from maru.components.scheduler.model.terms import NodeTerm, node_term
from maru.components.scheduler.model.verdicts import Refusal
from maru.core.document import Value

SELECTED_NODE = "volume.kubernetes.io/selected-node"
UNBOUND = Refusal("pod has unbound immediate PersistentVolumeClaims", final=True)
WRONG_VOLUME_NODE = Refusal("node(s) didn't match PersistentVolume's node affinity", final=True)
NO_VOLUME = Refusal("node(s) didn't find available persistent volumes to bind", final=True)


@dataclass(frozen=True, slots=True)
class ClaimDemand:
    """blocked: a reason against every node; bound: node terms of each bound volume, any of which must match.

    delayed: claims that wait for a node; choices: for each of them without a provisioner, the node terms of
    the volumes it could take (None: anywhere).
    """

    blocked: Refusal | None = None
    bound: tuple[tuple[NodeTerm, ...], ...] = ()
    delayed: tuple[Value, ...] = ()
    choices: tuple[tuple[tuple[NodeTerm, ...] | None, ...], ...] = ()

    def refusal(self, state: NodeState) -> Refusal | None:
        """Why the node will not do."""
        if self.blocked is not None:
            return self.blocked
        for terms in self.bound:
            if not any(term.matches(state.name, state.labels) for term in terms):
                return WRONG_VOLUME_NODE
        for options in self.choices:
            if not any(_fits(terms, state) for terms in options):
                return NO_VOLUME
        return None


def _fits(terms: tuple[NodeTerm, ...] | None, state: NodeState) -> bool:
    return terms is None or any(term.matches(state.name, state.labels) for term in terms)


@dataclass(frozen=True, slots=True)
class VolumeLookup:
    """Local reads: a claim of the namespace, a volume, a storage class, the volumes a claim could take."""

    claim: Callable[[str, str], Value | None]
    volume: Callable[[str], Value | None]
    storage_class: Callable[[str], Value | None]
    matching: Callable[[Value], Sequence[Value]]


def node_terms(volume: Value) -> tuple[NodeTerm, ...] | None:
    """The node terms of a volume, None when it can be used anywhere."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    if required is None:
        return None
    return tuple(node_term(each) for each in required.get("nodeSelectorTerms") or ())


def claim_demand(namespace: str, names: Sequence[str], look: VolumeLookup) -> ClaimDemand:
    """The demand of the claims called `names` in `namespace`."""
    bound: list[tuple[NodeTerm, ...]] = []
    delayed: list[Value] = []
    choices: list[tuple[tuple[NodeTerm, ...] | None, ...]] = []
    for name in names:
        claim = look.claim(namespace, name)
        if claim is None:
            return ClaimDemand(Refusal(f'persistentvolumeclaim "{name}" not found', final=True))
        if claim["metadata"].get("deletionTimestamp"):
            return ClaimDemand(Refusal(f'persistentvolumeclaim "{name}" is being deleted', final=True))
        if claim.get("status", {}).get("phase") == "Lost":
            return ClaimDemand(
                Refusal(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume', final=True)
            )
        volume_name = claim["spec"].get("volumeName")
        if volume_name and claim.get("status", {}).get("phase") == "Bound":
            volume = look.volume(volume_name)
            terms = None if volume is None else node_terms(volume)
            if terms is not None:
                bound.append(terms)
            continue
        storage_class = look.storage_class(claim["spec"].get("storageClassName") or "")
        if storage_class is None or storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
            return ClaimDemand(UNBOUND)
        delayed.append(claim)
        if storage_class.get("provisioner") == "kubernetes.io/no-provisioner":
            choices.append(tuple(node_terms(volume) for volume in look.matching(claim)))
    return ClaimDemand(None, tuple(bound), tuple(delayed), tuple(choices))
