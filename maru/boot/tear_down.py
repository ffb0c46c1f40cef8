"""Taking a platform off the machine: containers, mounts, bridges, rules; the documents stay.

Runs after every worker has stopped. A component that leaves things on the machine has an async
`tear_down(site)` beside its `open`; they are called in the order of `catalog.LEAVING`: containers end first.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from maru.boot.catalog import LEAVING, load
from maru.boot.site_file import read, site


async def tear_down(data_dir: Path) -> None:
    """Idempotent; what is gone already is no error."""
    here = site(data_dir, read(data_dir))
    for _, module in load(LEAVING):
        await module.tear_down(here)


def main() -> int:
    """`python -m maru.boot.tear_down DATA_DIR`."""
    asyncio.run(tear_down(Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
