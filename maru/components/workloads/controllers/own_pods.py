"""The Pods that a controller makes for its owners: created and deleted with the events that users know.

Every creation and deletion is expected before it leaves, and settled at once when it fails.
Source: k8s.io/kubernetes/pkg/controller, RealPodControl.
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.workloads.controllers.batches import is_namespace_going
from maru.components.workloads.controllers.claims import index_by_controller
from maru.components.workloads.controllers.expectations import Expectations
from maru.components.workloads.controllers.kit import NORMAL, WARNING, Controller
from maru.components.workloads.model.values import place_of, uid_of
from maru.core.client import DeleteOptions
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound
from maru.kinds.resources import PODS


class OwnPods:
    """Makes and removes Pods for one controller; make it before the controller watches Pods, so that what was expected
    is settled before a key is put in line.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.expectations = Expectations(controller.clock)
        self.pods = controller.informer(PODS)
        index_by_controller(self.pods)
        self.expectations.follow(self.pods)

    def expect_deleted(self, owner: Value, pods: Sequence[Value]) -> None:
        """All of `pods` are about to be deleted: no round until the last is seen may count them."""
        for pod in pods:
            self.expectations.expect_deleted(place_of(owner), pod)

    async def create(self, owner: Value, pod: Value) -> None:
        """Create `pod`. Raises what the API answers, told as an event unless the namespace is going."""
        name = pod["metadata"]["name"]
        token = self.expectations.expect_created(place_of(owner), name)
        try:
            await self._controller.client.create(PODS, pod)
        except MaruError as error:
            self.expectations.settle(token)
            if not is_namespace_going(error):
                self._controller.event(owner, WARNING, "FailedCreate", f"Error creating: {error}")
            raise
        self._controller.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {name}")

    async def delete(self, owner: Value, pod: Value) -> None:
        """Delete `pod`, which is expected already; one that is gone is fine. Raises what the API answers."""
        namespace, name = place_of(pod)
        try:
            await self._controller.client.delete(PODS, namespace, name, DeleteOptions(uid=uid_of(pod)))
        except NotFound:
            self.expectations.settle(("-", uid_of(pod)))
            return
        except MaruError as error:
            self.expectations.settle(("-", uid_of(pod)))
            self._controller.event(owner, WARNING, "FailedDelete", f"Error deleting: {error}")
            raise
        self._controller.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {name}")
