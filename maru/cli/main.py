"""The `maru` command: arguments in, one command run, an exit code out.

Exit codes: 0 done, 1 something is not well (said on standard error), 2 the arguments are wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from maru import __version__
from maru.cli.terminal import complain
from maru.core.errors import MaruError
from maru.core.site import DEFAULT_DATA_DIR

WHOLE = "completion"  # needs all the others
COMMANDS: dict[str, tuple[str, str]] = {
    "up": (
        "start Maru and return when it is ready",
        "maru up\n  maru up --data-dir /srv/two --port-offset 1000\n  maru up --only apiserver,workloads\n"
        "  maru up --processes one --foreground",
    ),
    "down": ("stop Maru and its workloads; documents are kept", "maru down\n  maru down --data-dir /srv/two"),
    "restart": ("start Maru anew; workloads keep running", "maru restart"),
    "status": ("processes, components, memory", "maru status\n  maru status -o json"),
    "env": ("exports for your shell", 'eval "$(maru env)"\n  maru env -o json'),
    "logs": ("the log of a component or process", "maru logs scheduler -f\n  maru logs node -n 50 -o json"),
    "search": (
        "documents and logs by Lucene's syntax, newest first",
        "maru search 'level:error' --since 1h\n  maru search 'host.name:web-1' --index 'logs-*' -o json",
    ),
    "aws": (
        "AWS here: why somebody may or may not, and how much of each service is done",
        "maru aws explain arn:aws:iam::123456789012:user/ann s3:GetObject arn:aws:s3:::photos/a.jpg\n"
        "  maru aws coverage iam",
    ),
    "doctor": ("what this machine has and lacks, and what mends it", "maru doctor\n  maru doctor -o json"),
    "image": (
        "images: ls, build-base, pull, load, save, tag, rm",
        "maru image ls\n  maru image build-base\n  maru image pull registry.example/team/app:v1\n"
        "  maru image load app.tar",
    ),
    "reset": ("down, and delete every document, image and volume", "maru reset\n  maru reset --yes"),
    "join": ("make this machine a node of another platform", "maru join https://10.0.0.1:6443"),
    "completion": (
        "a script that completes maru's words in your shell",
        'source <(maru completion bash)\n  maru completion zsh > "${fpath[1]}/_maru"',
    ),
}
"""For each its help and examples; it is the module of that name in maru.cli.commands."""


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The whole command line. `--data-dir` may stand anywhere on it.

    words: what was given. Only the commands among them are imported, which makes a start quicker; where the whole
    line is asked for (no command, completion), all are.
    """
    root = argparse.ArgumentParser(
        prog="maru", description="A cloud-native platform on one machine.", epilog="maru COMMAND --help shows examples."
    )
    root.add_argument("--version", action="version", version=f"maru {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    meant = [word for word in words if word in COMMANDS]
    if not meant or WHOLE in meant:
        meant = list(COMMANDS)
    for name, (help_text, examples) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=f"examples:\n  {examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in meant:
            _module(name).add(command)
    _accept_folder(root, DEFAULT_DATA_DIR)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers the exit code; every expected failure says what, why and what mends it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    root = parser(words)
    said = root.parse_args(words)
    said.root = root
    try:
        answer: int = _module(said.command).run(said)
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


def _module(name: str) -> ModuleType:
    return import_module(f"maru.cli.commands.{name}")


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
