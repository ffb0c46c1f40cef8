"""The `maru` command: arguments in, one command run, an exit code out.

Exit codes: 0 done, 1 something is not well (said on standard error), 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import shtab

from maru import __version__
from maru.cli.commands import doctor, down, env, image, join, logs, reset, restart, status, up
from maru.cli.terminal import complain
from maru.core.errors import MaruError
from maru.core.site import DEFAULT_DATA_DIR

COMMANDS: dict[str, tuple[ModuleType, str, str]] = {
    "up": (up, "start Maru and return when it is ready", "maru up\n  maru up --data-dir /srv/two --port-offset 1000"),
    "down": (down, "stop Maru and its workloads; documents are kept", "maru down"),
    "restart": (restart, "start Maru anew; workloads keep running", "maru restart"),
    "status": (status, "processes, components, memory", "maru status\n  maru status -o json"),
    "env": (env, "exports for your shell", 'eval "$(maru env)"'),
    "logs": (logs, "the log of a component or process", "maru logs scheduler -f\n  maru logs node -n 50 -o json"),
    "doctor": (doctor, "what this machine has and lacks, and what mends it", "maru doctor"),
    "image": (image, "images: ls, build-base, pull, load, save, tag, rm", "maru image build-base\n  maru image ls"),
    "reset": (reset, "down, and delete every document, image and volume", "maru reset --yes"),
    "join": (join, "make this machine a node of another platform", "maru join https://10.0.0.1:6443"),
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="maru", description="A cloud-native platform on one machine.", epilog="maru COMMAND --help shows examples."
    )
    root.add_argument("--version", action="version", version=f"maru {__version__}")
    shtab.add_argument_to(root, ["--print-completion"], help="print a shell's completion: bash, zsh or tcsh")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text, examples) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=f"examples:\n  {examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add(command)
        command.add_argument(
            "--data-dir", type=_absolute, default=DEFAULT_DATA_DIR, metavar="DIR", help="the platform's folder"
        )
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers the exit code; every expected failure says what, why and what mends it."""
    said = parser().parse_args(arguments)
    try:
        answer: int = COMMANDS[said.command][0].run(said)
    except MaruError as error:
        complain(error)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
    return answer


def _absolute(text: str) -> Path:
    return Path(text).absolute()


if __name__ == "__main__":
    sys.exit(main())
