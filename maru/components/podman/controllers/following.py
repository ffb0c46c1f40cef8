"""What follows from the engine's events: files of secrets go with their container, unhealthy ones get what was asked.

Source: podman libpod/healthcheck.go processHealthCheckStatus.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from maru.components.podman.controllers.containers import Containers
from maru.components.podman.controllers.secrets import Secrets
from maru.core.clock import Clock
from maru.core.document import Value
from maru.core.errors import MaruError, NotFound
from maru.core.log import Log

AGAIN_S = 1.0
WATCHED = {"type": ["container"], "event": ["destroy", "create", "health_status"]}
_ACTIONS = {2: "kill", 3: "restart", 4: "stop"}


@dataclass(slots=True)
class Following:
    """folders: those of secrets, by container."""

    containers: Containers
    secrets: Secrets
    clock: Clock
    log: Log
    folders: dict[str, str] = field(default_factory=dict)

    async def open(self) -> None:
        """Know what there is, and take away what is left of what is gone."""
        views = await self.containers.all()
        self.folders = {view.id: view.remembered.secret_folder for view in views if view.remembered.secret_folder}
        await self.secrets.sweep(list(self.folders.values()))

    async def run(self) -> None:
        """Until cancelled."""
        asking = self.containers.asking
        while True:
            try:
                query = [("filters", msgspec.json.encode(WATCHED).decode())]
                async for event in asking.lines(await asking.answer("GET", "/events", query)):
                    await self._happened(event)
            except MaruError as error:
                self.log.warning("events are not seen for a moment", error=str(error))
            await self.clock.sleep(AGAIN_S)

    async def _happened(self, event: Value) -> None:
        container_id, action = str(event["Actor"]["ID"]), str(event["Action"])
        if action == "destroy":
            await self.secrets.take_back(self.folders.pop(container_id, ""))
            return
        with suppress(NotFound):
            remembered = (await self.containers.view(container_id)).remembered
            if action == "create" and remembered.secret_folder:
                self.folders[container_id] = remembered.secret_folder
            verb = _ACTIONS.get(remembered.on_failure)
            if verb is not None and action == "health_status: unhealthy":
                await self.containers.asking.answer("POST", f"/containers/{container_id}/{verb}")
