"""The `maru` command: arguments in, one command run, an exit code out.

Exit codes: 0 done, 1 something is not well (said on standard error), 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from maru import __version__
from maru.cli.commands import aws, completion, doctor, down, env, image, join, logs, reset, restart, search, status, up
from maru.cli.terminal import complain
from maru.core.errors import MaruError
from maru.core.site import DEFAULT_DATA_DIR

COMMANDS: dict[str, tuple[ModuleType, str, str]] = {
    "up": (
        up,
        "start Maru and return when it is ready",
        "maru up\n  maru up --data-dir /srv/two --port-offset 1000\n  maru up --only apiserver,workloads\n"
        "  maru up --processes one --foreground",
    ),
    "down": (down, "stop Maru and its workloads; documents are kept", "maru down\n  maru down --data-dir /srv/two"),
    "restart": (restart, "start Maru anew; workloads keep running", "maru restart"),
    "status": (status, "processes, components, memory", "maru status\n  maru status -o json"),
    "env": (env, "exports for your shell", 'eval "$(maru env)"\n  maru env -o json'),
    "logs": (logs, "the log of a component or process", "maru logs scheduler -f\n  maru logs node -n 50 -o json"),
    "search": (
        search,
        "documents and logs by Lucene's syntax, newest first",
        "maru search 'level:error' --since 1h\n  maru search 'host.name:web-1' --index 'logs-*' -o json",
    ),
    "aws": (
        aws,
        "AWS here: why somebody may or may not, and how much of each service is done",
        "maru aws explain arn:aws:iam::123456789012:user/ann s3:GetObject arn:aws:s3:::photos/a.jpg\n"
        "  maru aws coverage iam",
    ),
    "doctor": (doctor, "what this machine has and lacks, and what mends it", "maru doctor\n  maru doctor -o json"),
    "image": (
        image,
        "images: ls, build-base, pull, load, save, tag, rm",
        "maru image ls\n  maru image build-base\n  maru image pull registry.example/team/app:v1\n"
        "  maru image load app.tar",
    ),
    "reset": (reset, "down, and delete every document, image and volume", "maru reset\n  maru reset --yes"),
    "join": (join, "make this machine a node of another platform", "maru join https://10.0.0.1:6443"),
    "completion": (
        completion,
        "a script that completes maru's words in your shell",
        'source <(maru completion bash)\n  maru completion zsh > "${fpath[1]}/_maru"',
    ),
}


def parser() -> argparse.ArgumentParser:
    """The whole command line. `--data-dir` may stand anywhere on it."""
    root = argparse.ArgumentParser(
        prog="maru", description="A cloud-native platform on one machine.", epilog="maru COMMAND --help shows examples."
    )
    root.add_argument("--version", action="version", version=f"maru {__version__}")
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
    _accept_folder(root, DEFAULT_DATA_DIR)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers the exit code; every expected failure says what, why and what mends it."""
    root = parser()
    said = root.parse_args(arguments)
    said.root = root
    try:
        answer: int = COMMANDS[said.command][0].run(said)
        sys.stdout.flush()
    except MaruError as error:
        complain(error)
        return 1
    except BrokenPipeError:
        # What is left to write goes nowhere, so that the interpreter does not complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return answer


def _accept_folder(parser: argparse.ArgumentParser, default: object) -> None:
    """Give `--data-dir` to this parser and all below; only the topmost has the default, or it would win."""
    parser.add_argument(
        "--data-dir", type=_absolute, default=default, metavar="DIR", help=f"the platform's folder ({DEFAULT_DATA_DIR})"
    )
    for action in parser._actions:  # argparse has no public way to walk
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _accept_folder(child, argparse.SUPPRESS)


def _absolute(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    # Written in one way, as names and address ranges follow from it; a link stays the name it is.
    return Path(os.path.abspath(text))  # noqa: PTH100


if __name__ == "__main__":
    sys.exit(main())
