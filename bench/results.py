"""Make docs/results.md from stored results: every table and plot of what was measured, by one command.

    python bench/results.py docs/results -o docs/results.md

Results are the compact files that `--store` makes of the evaluation.json files that `j4d evaluate` wrote:

    python bench/results.py report --store docs/results
    python bench/results.py report --store docs/results --add    # codecs beside those that are stored there

What did not work, and other remarks, are taken from notes.md in the folder of the results.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from j4d.errors import DataError, J4DError
from j4d.evaluation.metrics import METRICS
from j4d.evaluation.plots import curves_figure, curves_title, png
from j4d.evaluation.stored import StoredResult, read_result
from j4d.report.markdown import by_protocol, protocol_section
from j4d.report.summaries import folder_names
from j4d.support.files import write_atomic

LIMIT = 400_000  # bytes of a stored result
MOST_RIVALS = 6  # in a plot; more cannot be told apart
HEAD = """# Results

Negative is fewer bytes for the same figure. Intervals are 95 %, in brackets. The best of what writes JPEG is in bold.
This page is generated from the files in [{folder}]({folder}) by

```sh
{command}
```
"""


def result_files(places: Iterable[Path]) -> list[Path]:
    """The results in files and folders, sorted; of a folder that holds others, theirs."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            skipped = ("summary.json",)
            found += sorted(path for path in place.rglob("*.json") if path.name not in skipped)
        else:
            found.append(place)
    if not found:
        raise DataError(f"no results in {', '.join(map(str, places))}")
    return found


def store(results: Iterable[StoredResult], folder: Path, add: bool = False) -> list[Path]:
    """Write each result as a compact file of its own, replacing an older one of the same name, or with `add` taking in
    what that has, one after the other where several results are of one name."""
    kept = list(results)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    names = [folder_names([result])[0] for result in kept] if add else folder_names(kept)
    for name, result in zip(names, kept, strict=True):
        path = folder / f"{name}.json"
        data = (read_result(path).with_codecs_of(result) if add else result).dumps()
        if len(data) > LIMIT:
            raise DataError(f"{name}: {len(data)} bytes, more than the {LIMIT} of a stored result")
        written.append(path)
        write_atomic(path, data)
    return written


def page(results: list[StoredResult], paths: list[Path], out: Path, command: str) -> str:
    """The page's text; plots are written beside the results."""
    folder = Path(paths[0].parent.relative_to(out.parent)) if paths[0].is_relative_to(out.parent) else paths[0].parent
    parts = [HEAD.format(folder=folder, command=command).rstrip()]
    place = dict(zip(map(id, results), paths, strict=True))
    for protocol, group in by_protocol(results).items():
        parts += protocol_section(protocol, group)
        for result in group:
            picture = place[id(result)].with_suffix(".png")
            write_atomic(picture, curves_png(result))
            parts.append(f"![{curves_title(result.record, result.images)}]({folder / picture.name})")
    notes = [path.parent / "notes.md" for path in paths]
    for note in dict.fromkeys(path for path in notes if path.is_file()):
        parts.append(note.read_text(encoding="utf-8").strip())
    return "\n\n".join(parts) + "\n"


def curves_png(result: StoredResult) -> bytes:
    """Accuracy and loss over rate: the reference, ours, and the rivals nearest to it at equal loss."""
    metrics = [metric for metric in METRICS if metric in (result.accuracy, result.loss)]
    clean = {metric: result.uncompressed[metric].value for metric in metrics}
    rivals = sorted((codec.name for codec in result.codecs if codec.role == "rival"), key=partial(bd_rate, result))
    ours = [codec.name for codec in result.codecs if codec.own and codec.role == "profile"]
    shown = {result.reference, *ours, *rivals[:MOST_RIVALS]}
    curves = {codec.name: codec.points for codec in result.codecs if codec.name in shown}
    return png(curves_figure(curves, clean, curves_title(result.record, result.images)))


def bd_rate(result: StoredResult, name: str) -> float:
    """At equal loss, percent; infinite where it is not known."""
    found = result.against_reference(name, result.loss)
    return found.bd_rate.value if found is not None and math.isfinite(found.bd_rate.value) else math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path, help="stored results or evaluations, or folders of them")
    parser.add_argument("-o", "--out", type=Path, help="the page to write")
    parser.add_argument("--store", type=Path, help="write compact results into this folder")
    parser.add_argument("--add", action="store_true", help="... beside the codecs of the results that are there")
    arguments = parser.parse_args()
    try:
        paths = result_files(arguments.places)
        results = [read_result(path) for path in paths]
        if arguments.store is not None:
            paths = store(results, arguments.store, arguments.add)
            print(*paths, sep="\n")
        if arguments.out is not None:
            command = f"python bench/results.py {' '.join(map(str, arguments.places))} -o {arguments.out}"
            write_atomic(arguments.out, page(results, paths, arguments.out, command).encode())
            print(arguments.out)
    except J4DError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
