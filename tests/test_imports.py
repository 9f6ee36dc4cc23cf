"""Imports point one way: each room may import those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the ground up. `pix2pix` itself, which loads a bundle for `import pix2pix`, is left out.
FLOORS = (
    ("pix2pix.errors", "pix2pix.memory"),
    ("pix2pix.storage",),
    ("pix2pix.files",),
    ("pix2pix.images",),
    ("pix2pix.pairs", "pix2pix.model"),
    ("pix2pix.inference",),
    ("pix2pix.evaluate", "pix2pix.convert", "data_prep", "app.http"),
    ("pix2pix.training",),
    ("app.cli",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str | None:
    """The room that holds a module, None for one of another project and for `pix2pix` itself."""
    return next((room for room in FLOOR_OF if module == room or module.startswith(f"{room}.")), None)


def files_by_room() -> list[tuple[str, Path]]:
    files = [file for package in ("pix2pix", "data_prep", "app") for file in (ROOT / package).rglob("*.py")]
    found = [(room_of(".".join(file.relative_to(ROOT).with_suffix("").parts)), file) for file in files]
    return [(room, file) for room, file in found if room]


def imported(file: Path) -> set[str]:
    """Modules, and names in modules, that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("room", FLOOR_OF)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    files = [file for own, file in files_by_room() if own == room]
    assert files
    for file in files:
        for other in {room_of(name) for name in imported(file)} - {None, room}:
            assert FLOOR_OF[other] < FLOOR_OF[room], f"{file.relative_to(ROOT)} imports {other}"


def test_every_module_is_in_a_room() -> None:
    outside = {
        file.relative_to(ROOT).as_posix()
        for package in ("pix2pix", "data_prep", "app")
        for file in (ROOT / package).rglob("*.py")
    } - {file.relative_to(ROOT).as_posix() for _, file in files_by_room()}
    assert outside == {"pix2pix/__init__.py", "app/__init__.py"}


@pytest.mark.parametrize(
    "package", ["pix2pix", "pix2pix.convert.plan", "data_prep", "app.http", "app.cli.main"]
)
def test_importing_needs_no_torch(package: str) -> None:
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
