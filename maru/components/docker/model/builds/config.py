"""The configuration of an image under construction, and what each instruction changes in it.

Source: docs.docker.com/reference/dockerfile; moby builder/dockerfile/dispatchers.go (wording of the history).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from maru.core.document import Value
from maru.wire.docker.ports import parse_port
from maru.wire.docker.signals import parse_signal
from maru.wire.dockerfile.instructions import Instruction
from maru.wire.dockerfile.lines import DockerfileError
from maru.wire.dockerfile.words import expand

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = ("/bin/sh", "-c")
_UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_PORTS_MAX = 65536


@dataclass(slots=True)
class Draft:
    """config: as in an image's document; author; image: id of what it stands on, "" for nothing yet.

    is_command_set: CMD stood in this stage, so an ENTRYPOINT leaves it.
    """

    config: Value = field(default_factory=dict)
    author: str = ""
    image: str = ""
    is_command_set: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.partition("=")[::2] for entry in self.config.get("Env") or ())

    @property
    def shell(self) -> list[str]:
        return list(self.config.get("Shell") or SHELL)

    def set_environment(self, pairs: Mapping[str, str]) -> None:
        """Names keep their places."""
        self.config["Env"] = [f"{name}={value}" for name, value in {**self.environment, **pairs}.items()]

    def words_of(self, instruction: Instruction) -> list[str]:
        """A command line in shell or list form."""
        if instruction.is_list or not instruction.words:
            return list(instruction.words)
        return [*self.shell, instruction.text]

    def below(self, path: str) -> str:
        """A path seen from the working directory; a closing slash stays."""
        joined = posixpath.join("/", self.config.get("WorkingDir") or "/", path)
        clean = posixpath.normpath(joined).replace("//", "/")
        return f"{clean.rstrip('/')}/" if path.endswith(("/", "/.")) or path == "." else clean


def nothing(comment: str) -> str:
    """What the history says of a step that runs nothing."""
    return f"/bin/sh -c #(nop)  {comment}"


def change(draft: Draft, instruction: Instruction, variables: Mapping[str, str], escape: str) -> str:
    """Carry out an instruction that changes the configuration alone; what the history says of it.

    Raises DockerfileError.
    """
    return nothing(_CHANGES[instruction.keyword](draft, instruction, lambda text: expand(text, variables, escape)))


def is_change(keyword: str) -> bool:
    """Whether `change` does it."""
    return keyword in _CHANGES


Expand = Callable[[str], str]


def _env(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    pairs = {put_in(name): put_in(value or "") for name, value in instruction.pairs}
    draft.set_environment(pairs)
    return "ENV " + " ".join(f"{name}={value}" for name, value in pairs.items())


def _label(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    pairs = {put_in(name): put_in(value or "") for name, value in instruction.pairs}
    draft.config["Labels"] = {**(draft.config.get("Labels") or {}), **pairs}
    return "LABEL " + " ".join(f"{name}={value}" for name, value in pairs.items())


def _maintainer(draft: Draft, instruction: Instruction, _: Expand) -> str:
    draft.author = instruction.text
    return f"MAINTAINER {instruction.text}"


def _expose(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    words = [word for raw in instruction.words for word in put_in(raw).split()]
    ports = [port for word in words for port in _ports(word)]
    draft.config["ExposedPorts"] = {**(draft.config.get("ExposedPorts") or {}), **{port: {} for port in ports}}
    return "EXPOSE " + " ".join(sorted(ports))


def _volume(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    paths = [put_in(word).strip() for word in instruction.words]
    if not all(paths):
        raise DockerfileError("VOLUME specified can not be an empty string")
    draft.config["Volumes"] = {**(draft.config.get("Volumes") or {}), **{path: {} for path in paths}}
    return f"VOLUME [{' '.join(paths)}]"


def _user(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    draft.config["User"] = put_in(instruction.text)
    return f"USER {draft.config['User']}"


def _command(draft: Draft, instruction: Instruction, _: Expand) -> str:
    words = draft.words_of(instruction)
    draft.config["Cmd"] = words
    draft.is_command_set = bool(words)
    return f"CMD {_quoted(words)}"


def _entrypoint(draft: Draft, instruction: Instruction, _: Expand) -> str:
    words = draft.words_of(instruction)
    draft.config["Entrypoint"] = words
    if not draft.is_command_set:
        draft.config.pop("Cmd", None)
    return f"ENTRYPOINT {_quoted(words)}"


def _shell(draft: Draft, instruction: Instruction, _: Expand) -> str:
    draft.config["Shell"] = list(instruction.words)
    return f"SHELL [{' '.join(instruction.words)}]"


def _stop_signal(draft: Draft, instruction: Instruction, put_in: Expand) -> str:
    signal = put_in(instruction.text)
    try:
        parse_signal(signal)
    except ValueError as error:
        raise DockerfileError(str(error)) from error
    draft.config["StopSignal"] = signal
    return f"STOPSIGNAL {signal}"


def _on_build(draft: Draft, instruction: Instruction, _: Expand) -> str:
    draft.config["OnBuild"] = [*(draft.config.get("OnBuild") or ()), instruction.text]
    return f"ONBUILD {instruction.text}"


def _health(draft: Draft, instruction: Instruction, _: Expand) -> str:
    kind = instruction.words[0].upper()
    if kind == "NONE":
        draft.config["Healthcheck"] = {"Test": ["NONE"]}
        return 'HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'\\x00\'}'
    text = instruction.words[1].strip()
    words = _list(text)
    check: Value = {"Test": ["CMD", *words] if words else ["CMD-SHELL", text]}
    names = {
        "interval": "Interval",
        "timeout": "Timeout",
        "start-period": "StartPeriod",
        "start-interval": "StartInterval",
    }
    for flag, name in names.items():
        if flag in instruction.flags:
            check[name] = _duration_ns(flag, instruction.flags[flag])
    if "retries" in instruction.flags:
        text = instruction.flags["retries"]
        if not text.isdigit():
            raise DockerfileError(
                f"--retries cannot be negative ({text})" if text.startswith("-") else _not_number(text)
            )
        check["Retries"] = int(text)
    draft.config["Healthcheck"] = check
    given = " ".join(f"--{name}={value}" for name, value in sorted(instruction.flags.items()))
    return " ".join(word for word in ("HEALTHCHECK", given, _quoted(check["Test"])) if word)


_CHANGES: Mapping[str, Callable[[Draft, Instruction, Expand], str]] = {
    "ENV": _env,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "USER": _user,
    "CMD": _command,
    "ENTRYPOINT": _entrypoint,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "ONBUILD": _on_build,
    "HEALTHCHECK": _health,
}


def expanded(words: Sequence[str], variables: Mapping[str, str], escape: str) -> list[str]:
    """Each word with its variables; none of them splits. Raises DockerfileError."""
    return [expand(word, variables, escape) for word in words]


def _ports(word: str) -> list[str]:
    numbers, _, protocol = word.partition("/")
    first, dash, last = numbers.rpartition(":")[2].partition("-")
    last = last if dash else first
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last) < _PORTS_MAX):
        raise DockerfileError(f"invalid containerPort: {word}")
    ports = [f"{number}/{(protocol or 'tcp').lower()}" for number in range(int(first), int(last) + 1)]
    try:
        parse_port(ports[0])
    except ValueError as error:
        raise DockerfileError(str(error)) from error
    return ports


def _duration_ns(flag: str, text: str) -> int:
    parts = list(_PART.finditer(text))
    if not parts or "".join(part.group() for part in parts) != text:
        if text == "0":
            return 0
        raise DockerfileError(f'time: invalid duration "{text}"')
    total_ns = int(sum(float(part.group(1)) * _UNITS_NS[part.group(2)] for part in parts))
    if total_ns and total_ns < _UNITS_NS["ms"]:
        raise DockerfileError(f'Interval "{flag}" cannot be less than 1ms')
    return total_ns


def _not_number(text: str) -> str:
    return f'strconv.ParseInt: parsing "{text}": invalid syntax'


def _list(text: str) -> list[str]:
    try:
        found = json.loads(text) if text.startswith("[") else []
    except ValueError:
        return []
    return [str(word) for word in found]


def _quoted(words: Sequence[str]) -> str:
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"
