"""Make the cards in docs/profiles.md: what each built-in profile was learned on, what it measured, and where it loses.

    python bench/profile_cards.py docs/results docs/profiles -o docs/profiles.md

Everything between the page's two marks is made anew from the profiles in the package and from what is stored: results
that `bench/results.py --store` and `bench/transfer.py --store` kept, and tables of `bench/quality.py --store`. A result
counts where a profile of that name was measured at all rates of the one in the package, so that figures of an earlier
one never stand beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import quality
from results import result_files

from j4d.errors import DataError, J4DError
from j4d.evaluation.bd import Interval
from j4d.evaluation.metrics import METRICS, short_name
from j4d.evaluation.stored import StoredCodec, StoredResult, read_result
from j4d.profile import builtin
from j4d.profile.profile import Profile
from j4d.report.markdown import column, data_name, table
from j4d.support.files import write_atomic

DIGITS = 1e-4  # stored results have five
BEGIN, END = "<!-- cards: made by bench/profile_cards.py -->", "<!-- end of the cards -->"


def card(profile: Profile, results: Sequence[StoredResult], qualities: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Paragraphs and tables on one profile."""
    yield f"## {profile.name}"
    yield learned_table(profile)
    yield "### Quality in bytes"
    fitting = [data for data in qualities if data["digest"] == quality.digest(profile)]
    for data in fitting:
        yield quality.markdown(data)
        yield f"```sh\npython bench/quality.py {profile.name} --images {data['images']} --store docs/profiles\n```"
    if not fitting:
        yield "Not measured yet."
    measured = measured_on(profile, results)
    yield "### Measured"
    if not measured:
        yield "Not measured yet."
        return
    yield (
        "BD-rate against default JPEG in percent of bytes, whole files, 95 % intervals; negative is fewer bytes. "
        "*Seen* are models that it was learned for. *Own* is the profile that was learned for that model alone, "
        "*best rival* the one that does best among those that write JPEG, both at equal loss."
    )
    for place in dict.fromkeys(where(result) for result, _ in measured):
        yield f"#### {place}"
        here = [(result, codec) for result, codec in measured if where(result) == place]
        yield measured_table(profile, here)
    yield "### Where it loses"
    yield (
        "\n".join(losses(measured)) or "Nowhere in the tables above: all intervals are below zero, and no rival ahead."
    )


def learned_table(profile: Profile) -> str:
    source, settings = profile.provenance, profile.provenance.settings
    first, last = profile.points[0].estimated_bpp, profile.points[-1].estimated_bpp
    moved = "none" if profile.adaptation is None else "learned"
    left_out = settings.get("points_left_out")
    points = f"{len(profile.points)}, {first:.3f} to {last:.3f} estimated bpp"
    rows = [
        ["learned for", ", ".join(short_name({"model": spec}) for spec in source.model.split(" + "))],
        ["photographs", f"{source.image_count}, {settings.get('held_out', '?')} of them held out to choose by"],
        ["protocol, sampling", f"{source.protocol}, {source.sampling}"],
        ["points", points + (f"; {left_out} below them left out" if left_out else "")],
        ["moving pictures", moved],
        ["steps a point, seed", f"{settings.get('steps', '?')}, {source.seed}"],
        ["date, j4d, torch", f"{source.date[:10]}, {source.versions.get('j4d')}, {source.versions.get('torch')}"],
        ["sha256 of the weights", f"`{source.model_fingerprint[:16]}`"],
        ["sha256 of the photographs", f"`{source.data_fingerprint[:16]}`"],
        ["sha256 of this profile", f"`{quality.digest(profile)[:16]}`"],
    ]
    return table(["", ""], rows)


def codec_of(result: StoredResult, profile: Profile) -> StoredCodec | None:
    """The profile as it was measured there, None where it was not, or another of its name."""
    rates = np.array([point.estimated_bpp for point in profile.points])
    for codec in result.codecs:
        if codec.role == "profile" and codec.name == profile.name:
            measured = np.array([point.estimated_bpp or math.nan for point in codec.points])
            if all(np.isclose(measured, rate, rtol=DIGITS).any() for rate in rates):
                return codec
    return None


def measured_on(profile: Profile, results: Iterable[StoredResult]) -> list[tuple[StoredResult, StoredCodec]]:
    """Where the profile was measured, and its curve there; of several results of one model and place the first."""
    found: dict[tuple[str, ...], tuple[StoredResult, StoredCodec]] = {}
    for result in results:
        codec = codec_of(result, profile)
        if codec is not None:
            found.setdefault((column(result), where(result)), (result, codec))
    return list(found.values())


def where(result: StoredResult) -> str:
    return f"{data_name(result)}, {result.images} pictures, {result.record.get('protocol')}"


def measured_table(profile: Profile, measured: Iterable[tuple[StoredResult, StoredCodec]]) -> str:
    seen = profile.provenance.model.split(" + ")
    lines = []
    for result, codec in measured:
        spans = [bd_rate(result, codec, metric) for metric in (result.accuracy, result.loss, "kl")]
        own = best(result, (other for other in result.codecs if other.own and other.role == "profile"))
        rival = best(result, (other for other in result.codecs if other.jpeg and other.role == "rival"))
        lines.append(
            [
                column(result),
                "seen" if result.record.get("model") in seen else "not seen",
                f"{METRICS[result.accuracy].label} {cell(spans[0])}",
                f"{METRICS[result.loss].label} {cell(spans[1])}",
                cell(spans[2]),
                "" if own is None else f"{bd_rate(result, own, result.loss).value:+.1f}",
                "" if rival is None else f"{rival.name} {bd_rate(result, rival, result.loss).value:+.1f}",
            ]
        )
    heads = ["model", "", "equal accuracy", "equal loss", "equal KL", "own", "best rival"]
    kept = [i for i in range(len(heads)) if any(line[i] for line in lines)]
    return table([heads[i] for i in kept], [[line[i] for i in kept] for line in lines])


def losses(measured: Iterable[tuple[StoredResult, StoredCodec]]) -> Iterator[str]:
    """A line for each interval that is not below zero, and for each rival that does better."""
    for result, codec in measured:
        here = f"{column(result)}, {where(result)}"
        for metric in dict.fromkeys((result.accuracy, result.loss, "kl")):
            span = bd_rate(result, codec, metric)
            if not span.high < 0:
                yield f"- {here}: at equal {METRICS[metric].label} {cell(span)} %, not clear of zero"
            for rival in result.codecs:
                other = bd_rate(result, rival, metric)
                if rival.role == "rival" and rival.jpeg and other.value < span.value:
                    yield f"- {here}: {rival.name} does better at equal {METRICS[metric].label}, {cell(other)} %"


def bd_rate(result: StoredResult, codec: StoredCodec, metric: str) -> Interval:
    """Against the reference; not numbers where there is none."""
    found = result.against_reference(codec.name, metric)
    return Interval(math.nan, math.nan, math.nan) if found is None else found.bd_rate


def best(result: StoredResult, among: Iterable[StoredCodec]) -> StoredCodec | None:
    """The one that needs the fewest bytes at equal loss."""
    known = {codec.name: codec for codec in among if math.isfinite(bd_rate(result, codec, result.loss).value)}
    return min(known.values(), key=lambda codec: bd_rate(result, codec, result.loss).value, default=None)


def cell(span: Interval) -> str:
    if not math.isfinite(span.value):
        return "no shared range"
    return f"{span.value:+.1f} [{span.low:+.1f}, {span.high:+.1f}]"


def stored(places: Sequence[Path]) -> tuple[list[StoredResult], list[dict[str, Any]]]:
    """Results and quality tables in files and folders. DataError for anything else."""
    results, qualities = [], []
    for path in result_files(places):
        try:
            data = json.loads(path.read_bytes())
        except ValueError as error:
            raise DataError(f"{path}: not JSON: {error}") from None
        if isinstance(data, dict) and data.get("format") == "j4d-quality":
            qualities.append(data)
        else:
            results.append(read_result(path))
    return results, qualities


def page(text: str, cards: Iterable[str]) -> str:
    """The page's text with the cards between its marks. DataError where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"the page has no marks {BEGIN} and {END}")
    return before + "\n\n".join([BEGIN, *cards, END]) + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", type=Path, help="stored results and qualities, or folders of them")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the page to change")
    arguments = parser.parse_args()
    try:
        results, qualities = stored(arguments.places)
        cards = [part for name in builtin.members() for part in card(Profile.builtin(name), results, qualities)]
        write_atomic(arguments.out, page(arguments.out.read_text("utf-8"), cards).encode())
    except J4DError as error:
        sys.exit(f"error: {error}")
    print(arguments.out)


if __name__ == "__main__":
    main()
