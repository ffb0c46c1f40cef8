"""STYLE, "Errors", "Async" and "Names": what may be called, caught and named where."""

from __future__ import annotations

import ast
import re

from tests.tidy.sources import Source, dotted, functions, sources

CLOCK_PLACES = (
    "maru/core/clock.py",
    "maru/core/ids.py",
    "maru/cli/",
    "maru/boot/supervisor.py",
    "maru/boot/holding.py",
    "maru/core/log.py",
    "maru/components/engine/engine/vm/",  # programs of their own, which no simulation runs
)
BANNED_CALLS = (
    "time.time",
    "time.time_ns",
    "time.sleep",
    "asyncio.sleep",
    "uuid.uuid4",
    "random.random",
    "datetime.now",
    "datetime.utcnow",
    "secrets.token_hex",
)
CATCH_ALL_PLACES = ("maru/core/lifecycle.py", "maru/core/reconcile.py", "maru/core/front/")
ANY_PLACES = ("maru/wire/", "maru/core/document.py", "maru/core/errors.py", "maru/boot/wiring.py", "maru/linux/")
ALLOWED_NAMES = {
    ("maru/core/log.py", "info"),  # the level's own name
    ("maru/wire/k8s/errors.py", "manager"),  # managedFields calls it so
    ("maru/wire/k8s/managed_fields.py", "manager"),
}
NOTHING_RAISED = ("raise_nothing", "parsing_ends", "is_idempotent")  # their promise is that no error comes
VAGUE = {"data", "info", "obj", "tmp", "handle", "manager", "utils", "util", "helper", "helpers", "misc", "stuff"}


def test_time_and_chance_come_from_needs() -> None:
    called = [
        f"{source.name}:{node.lineno} {name}"
        for source in sources()
        if not source.name.startswith(CLOCK_PLACES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and (name := dotted(node.func)) in BANNED_CALLS
    ]
    assert called == []


def test_only_the_command_line_prints() -> None:
    printed = [
        f"{source.name}:{node.lineno}"
        for source in sources()
        if not source.name.startswith("maru/cli/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) == "print"
    ]
    assert printed == []


def test_catch_alls_stand_only_where_loops_end() -> None:
    caught = [
        f"{source.name}:{node.lineno}"
        for source in sources()
        if not source.name.startswith(CATCH_ALL_PLACES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _is_catch_all(node) and not _reraises(node)
    ]
    assert caught == []


def test_any_stands_only_at_the_wire_and_in_documents() -> None:
    imported = [
        source.name
        for source in sources()
        if not source.name.startswith(ANY_PLACES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "typing"
        and any(alias.name == "Any" for alias in node.names)
    ]
    assert imported == []


def test_names_say_what_they_hold() -> None:
    vague = [
        f"{source.name}:{line} {name}"
        for source in sources()
        for line, name in _bound_names(source)
        if name in VAGUE and (source.name, name) not in ALLOWED_NAMES
    ]
    assert vague == []


def test_files_are_named_for_a_noun() -> None:
    assert [source.name for source in sources() if source.path.stem in VAGUE] == []


def test_nothing_is_left_to_do_or_commented_out() -> None:
    marks = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    code = re.compile(r"^\s*#\s*(def|class|return|import|from \w+ import|if .*:$|for .*:$)\b")
    left = [
        f"{source.name}:{number}"
        for folder in ("maru", "tests", "bench", "tools")
        for source in sources(folder)
        if not source.name.startswith("tests/tidy/")
        for number, line in enumerate(source.text.splitlines(), 1)
        if "#" in line and (marks.search(line) or code.match(line))
    ]
    assert left == []


def test_blocking_work_is_named_and_kept_apart() -> None:
    blocking = ("subprocess.run", "subprocess.check_output", "subprocess.Popen", "subprocess.check_call", "os.system")
    places = ("maru/cli/", "maru/linux/", "maru/boot/")
    called = []
    for source in sources():
        if source.name.startswith(places) or "/engine/" in source.name.removeprefix("maru/components/engine"):
            continue
        for function in functions(source.tree):
            if function.name.endswith("_blocking"):
                continue
            called += [
                f"{source.name}:{node.lineno}"
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and dotted(node.func) in blocking
            ]
    assert called == []


def test_every_test_can_fail() -> None:
    idle = [
        f"{source.name}:{function.lineno} {function.name}"
        for source in sources("tests")
        for function in functions(source.tree)
        if function.name.startswith("test_") and not _can_fail(function)
        if not any(promise in function.name for promise in NOTHING_RAISED)
    ]
    assert idle == []


def test_tests_do_not_sleep() -> None:
    slept = [
        f"{source.name}:{node.lineno}"
        for source in sources("tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in ("time.sleep", "asyncio.sleep") and not _is_zero(node)
        if not source.name.startswith(("tests/clients/", "tests/fakes/"))
    ]
    assert slept == []


def _is_catch_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or dotted(handler.type) in ("Exception", "BaseException")


def _reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def _bound_names(source: Source) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.arg):
            found.append((node.lineno, node.arg))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append((node.lineno, node.name.lower()))
    return found


def _can_fail(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Call):
            name = dotted(node.func).rpartition(".")[2]
            if name.startswith(("raises", "check", "assert", "expect", "must", "run_suite", "wait_until", "fail")):
                return True
    return False


def _is_zero(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
