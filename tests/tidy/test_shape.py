"""STYLE, "Shape" and "Comments": sizes, docstrings, no state and no work at import."""

from __future__ import annotations

import ast

from tests.tidy.sources import ROOT, Function, Source, functions, sources

LINES_MAX = 500
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 5


def test_no_file_is_longer_than_one_noun_needs() -> None:
    long = [f"{source.name}: {n}" for source in sources() if (n := len(source.text.splitlines())) > LINES_MAX]
    assert long == []


def test_no_function_is_longer_than_one_thought() -> None:
    long = [
        f"{source.name}:{function.lineno} {function.name}: {_lines(function)}"
        for source in sources()
        for function in functions(source.tree)
        if _lines(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_no_function_takes_more_than_five_positional_parameters() -> None:
    many = [
        f"{source.name}:{function.lineno} {function.name}"
        for source in sources()
        for function in functions(source.tree)
        if _positional(function) > PARAMETERS_MAX
    ]
    assert many == []


def test_every_module_tells_its_story() -> None:
    silent = [source.name for source in sources() if not ast.get_docstring(source.tree)]
    assert silent == []


def test_every_public_class_and_function_says_what_it_is() -> None:
    silent = [
        f"{source.name}:{node.lineno} {node.name}"
        for source in sources()
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not _is_part_shape(source, node.name)
    ]
    assert silent == []


def test_a_private_name_stays_in_its_module() -> None:
    taken = [
        f"{source.name}:{node.lineno} {name.name}"
        for folder in ("maru", "tests", "bench", "tools")
        for source in sources(folder)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("maru.", "tests.", "bench."))
        for name in node.names
        if name.name.startswith("_") and not name.name.startswith("__")
    ]
    assert taken == []


def test_modules_hold_no_mutable_state() -> None:
    held = [
        f"{source.name}:{node.lineno}" for source in sources() for node in source.tree.body if _is_mutable_binding(node)
    ]
    assert held == []


def test_nothing_says_global() -> None:
    said = [source.name for source in sources() for node in ast.walk(source.tree) if isinstance(node, ast.Global)]
    assert said == []


def test_every_component_has_the_one_shape() -> None:
    allowed_files = {
        "__init__.py",
        "component.py",
        "config.py",
        "model.py",
        "errors.py",
        "metrics.py",
        "quirks.py",
        "README.md",
    }
    allowed_folders = {
        "model",
        "api",
        "controllers",
        "streams",
        "engine",
        "web",
        "streaming",
        "custom",
        "admission",
        "__pycache__",
    }
    strange = []
    for folder in sorted((ROOT / "maru" / "components").iterdir()):
        if not folder.is_dir() or folder.name == "__pycache__":
            continue
        for entry in folder.iterdir():
            allowed = allowed_folders if entry.is_dir() else allowed_files
            if entry.name not in allowed:
                strange.append(str(entry.relative_to(ROOT)))
        strange += [
            f"{folder.name} lacks {name}"
            for name in ("__init__.py", "component.py", "README.md")
            if not (folder / name).exists()
        ]
    assert strange == []


def test_every_component_says_needs_gives_and_open() -> None:
    lacking = []
    for source in sources():
        if source.path.name != "component.py":
            continue
        names = {node.name for node in source.tree.body if isinstance(node, ast.ClassDef | ast.AsyncFunctionDef)}
        lacking += [f"{source.name} lacks {name}" for name in ("Needs", "Gives", "open") if name not in names]
    assert lacking == []


def _lines(function: Function) -> int:
    assert function.end_lineno is not None
    first = function.body[0].lineno
    has_docstring = ast.get_docstring(function) is not None
    if has_docstring and len(function.body) > 1:
        first = function.body[1].lineno
    return function.end_lineno - first + 1


def _positional(function: Function) -> int:
    names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
    return len([name for name in names if name not in ("self", "cls")])


def _is_part_shape(source: Source, name: str) -> bool:
    """Needs and Gives of a component, and a command's `add`, are told by their place."""
    return name in ("Needs", "Gives", "open", "tear_down", "add")


def _is_mutable_binding(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    is_constant = all(
        isinstance(target, ast.Name) and (target.id.isupper() or target.id.startswith("__")) for target in targets
    )
    return (
        isinstance(node.value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)
        and not is_constant
        and not _is_private_constant(targets)
    )


def _is_private_constant(targets: list[ast.expr]) -> bool:
    return all(isinstance(target, ast.Name) and target.id.lstrip("_").isupper() for target in targets)
