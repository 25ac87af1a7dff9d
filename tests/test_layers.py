"""No layer imports upward, and no module imports in a circle (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import hubbub

ROOT = Path(hubbub.__file__).parent
STANDARD = {"errors", "config"}
SERVER = {"node", "hub", "ports", "delivery", "protocol"}
APP = SERVER | {"server", "client", "backends"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": set(),
    "protocol": set(),
    "delivery": {"protocol"},
    "ports": {"protocol"},
    "hub": {"delivery", "protocol"},
    "node": {"hub", "ports", "delivery", "protocol"},
    "backends": {"ports", "protocol", "delivery"},
    "server": SERVER,
    "client": {"delivery", "protocol", "ports"},
    "app": APP,
    # The public API, which is the package itself, and the contracts: wire and ports.
    "collab": {"", "client", "ports", "protocol"},
    "testing": APP | {"app", "collab"},
    "cli": APP | {"app", "collab", "testing"},
}
THIRD_PARTY: dict[str, set[str]] = {
    "errors": {"msgspec"},
    "config": {"msgspec"},
    "protocol": {"msgspec", "google"},
    "delivery": {"msgspec"},
    "ports": {"msgspec"},
    "hub": {"msgspec"},
    "node": {"msgspec"},
    "backends": {"msgspec", "redis", "hiredis", "kazoo", "confluent_kafka", "asyncpg"},
    "server": {"msgspec", "picows", "multidict", "prometheus_client"},
    "client": {"msgspec", "picows"},
    "app": {"msgspec", "jwt"},
    "collab": {"msgspec"},
    "testing": {"msgspec", "picows", "apsw"},  # and pytest in its plugin alone
    "cli": {"msgspec", "typer", "rich"},
}
BUILTIN = set(__import__("sys").stdlib_module_names) | {"__future__"}


def imported(source: str) -> Iterator[str]:
    """Every module that a source names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)


def violations(root: Path) -> list[str]:
    found = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        layer = parts[0]
        if layer == "__init__" or file.name.endswith("_pb2.py"):
            continue
        for name in imported(file.read_text()):
            top, _, rest = name.partition(".")
            if top != "hubbub":
                is_plugin = parts == ("testing", "plugin") and top == "pytest"
                if top not in BUILTIN and top not in THIRD_PARTY[layer] and not is_plugin:
                    found.append(f"{'.'.join(parts)} uses {top}")
                continue
            target = rest.split(".")[0]
            if layer == "backends" and target == layer and rest.split(".")[1] != parts[1]:
                found.append(f"{'.'.join(parts)} imports another backend, {rest}")
            if target not in {layer} | STANDARD | MAY_IMPORT[layer]:
                found.append(f"{'.'.join(parts)} imports {rest or 'hubbub'}")
    return found


def test_no_layer_imports_upward() -> None:
    assert violations(ROOT) == []


def test_every_layer_has_its_row() -> None:
    layers = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert layers - {"__init__"} == set(MAY_IMPORT) == set(THIRD_PARTY)


def test_a_violation_is_found(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "x.py").write_text("def f():\n    from hubbub.server.server import Server\n    import redis\n")
    (tmp_path / "backends" / "redis").mkdir(parents=True)
    (tmp_path / "backends" / "redis" / "log.py").write_text("from hubbub.backends.memory.log import MemoryLog\n")
    assert violations(tmp_path) == [
        "backends.redis.log imports another backend, backends.memory.log",
        "hub.x imports server.server",
        "hub.x uses redis",
    ]


def run_time_imports(source: str) -> Iterator[str]:
    """Those that run when the module is imported: not in functions, not for the type checker alone."""

    def walk(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            yield node
            if isinstance(node, ast.If | ast.Try):
                yield from walk(node.body)

    for node in walk(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hubbub."):
            yield str(node.module)


def test_no_circles() -> None:
    graph = {
        ".".join(("hubbub", *file.relative_to(ROOT).with_suffix("").parts)): set(run_time_imports(file.read_text()))
        for file in ROOT.rglob("*.py")
        if file.name != "__init__.py"
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module in done:
            return
        for other in graph.get(module, ()):
            visit(other, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())
