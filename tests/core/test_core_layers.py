"""The folders of src/core: a file includes what lies below its folder, and no file needs itself through others."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "src" / "core"

# From the top, as CMakeLists.txt states it.
LINES = (("bindings", "learning"), ("files",), ("indices",), ("entropy", "pixels"), ("kernels", "support"))
LINE_OF = {folder: line for line, folders in enumerate(LINES) for folder in folders}
LEARNING_INCLUDES = ("learning", "support")

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)

Includes = dict[str, list[str]]
"""The files of src/core and what each includes between quotation marks, as paths below src/core."""


def read_includes(core: Path) -> Includes:
    files = (path for path in core.rglob("*") if path.suffix in (".cpp", ".hpp"))
    return {path.relative_to(core).as_posix(): INCLUDE.findall(path.read_text()) for path in files}


def allowed(source: str, target: str) -> bool:
    """Whether a file of the folder `source` may include one of the folder `target`."""
    if source == "learning":
        return target in LEARNING_INCLUDES
    return source == target or (source in LINE_OF and LINE_OF[source] < LINE_OF.get(target, -1))


def faults(includes: Includes) -> list[str]:
    """Includes of files that do not exist, and of files that do not lie below."""
    found = []
    for file, targets in sorted(includes.items()):
        for target in targets:
            if target not in includes:
                found.append(f"{file} includes {target}, which is no path of a file below src/core")
            elif not allowed(file.split("/")[0], target.split("/")[0]):
                found.append(f"{file} includes {target}, which does not lie below it")
    return found


def circle(includes: Includes) -> list[str]:
    """Files that include one another, the first once more at the end. A header and its source are one file here."""
    needs: dict[str, set[str]] = {}
    for file, targets in includes.items():
        unit = file.rsplit(".", 1)[0]
        needs.setdefault(unit, set()).update({target.rsplit(".", 1)[0] for target in targets} - {unit})
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_core_includes_downward_and_has_no_circle() -> None:
    includes = read_includes(CORE)
    assert len(includes) > 50
    assert {file.split("/")[0] for file in includes} == set(LINE_OF)
    assert faults(includes) == []
    assert circle(includes) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("kernels/kernels.cpp", '#include "files/read.hpp"'),  # upward
        ("entropy/huffman.hpp", '#include "pixels/strips.hpp"'),  # sideways
        ("kernels/draw.cpp", '#include "support/bits.hpp"'),  # kernels: nothing of other folders
        ("learning/soft_kernels.cpp", '#include "kernels/kernels.hpp"'),  # learning stands apart
        ("bindings/module.cpp", '#include "learning/soft_kernels.hpp"'),
        ("files/read.cpp", '#include "decompressor.hpp"'),  # not from src/core
        ("files/read.cpp", "  # include \t" + '"bindings/arrays.hpp"'),
    ],
)
def test_a_planted_include_is_found(file: str, line: str) -> None:
    includes = read_includes(CORE)
    planted = INCLUDE.findall(f"#pragma once\n{line}\n")
    assert len(planted) == 1
    includes[file] = includes[file] + planted
    assert [fault for fault in faults(includes) if fault.startswith(f"{file} includes {planted[0]},")]
    assert len(faults(includes)) == 1


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("support/geometry.hpp", "entropy/symbols.hpp"),  # symbols.hpp includes geometry.hpp
        ("files/frame.hpp", "files/read.hpp"),  # read.hpp includes frame.hpp, and options.hpp, which does
        ("files/decompressor.hpp", "files/read.hpp"),  # read.cpp, not read.hpp, includes decompressor.hpp
    ],
)
def test_a_planted_circle_is_found(file: str, target: str) -> None:
    includes = read_includes(CORE)
    includes[file] = [*includes[file], target]
    found = circle(includes)
    assert found[0] == found[-1]
    assert {file.rsplit(".", 1)[0], target.rsplit(".", 1)[0]} <= set(found)
