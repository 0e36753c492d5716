"""`j4d transcode SRC DST` where SRC is a whole data set: options, a run, and what is told. No PyTorch."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import typer

from j4d.cli.inputs import say_preparations
from j4d.cli.options import SamplingName, parameters_for, point_of, profile_of
from j4d.errors import DataError
from j4d.support.printable import echo

if TYPE_CHECKING:
    from j4d.bulk import Summary
    from j4d.bulk.storage import Source
    from j4d.evaluation.spot_check import SpotCheck

_PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", "-")  # nothing with such a name is a shard or a table
NOT_ALL = 3  # exit code: the run came to its end, but not every image is what was asked for
TOLD = 20  # failures on stderr, and notes; the manifest has all
_MORE = {  # counts of the summary that are told where they are not 0
    "tolerated": "transcoded although damaged",
    "left": "left since something beside the picture could not be kept",
    "quarantined": "in quarantine",
}


def asked_for(places: list[str], out: str | None) -> bool:
    """Whether any of these is a data set, not a single file, so that all of them are taken as one.

    out: where to write; None where the last of the places is that.
    """
    sources = places[:-1] if out is None and len(places) > 1 else places
    if not any(os.path.isdir(place) or ":" in place or not place.lower().endswith(_PICTURES) for place in sources):
        return False  # without an import
    from j4d.bulk import is_data_set

    return any(is_data_set(place) for place in sources)


def operating_point(
    profile: str | None,
    index: int | None,
    bpp: float | None,
    quality: float | None,
    jpeg_quality: int | None,
    sampling: SamplingName | None,
) -> dict[str, Any]:
    """The profile and the place on it, or the parameters, of `Settings`. ParameterError as for single files."""
    from j4d.profile.builtin import DEFAULT

    if jpeg_quality is not None:
        return {"parameters": parameters_for(profile, index, bpp, quality, jpeg_quality, sampling, False)(b"")}
    found = profile_of(profile or DEFAULT, sampling)
    return {"profile": found, "at": point_of(found, index=index, bpp=bpp, quality=quality)}


def transcode(
    places: list[str],
    target: str,
    options: dict[str, Any],
    as_json: bool,
    samples: int | None,
    model: str | None,
    running: dict[str, Any],
) -> None:
    """Run, tell, and end with the exit code. options: of `Settings`. samples: of a dry run, which writes nothing and
    shows them to the model.

    running: of `transcode_data_set`.
    """
    from j4d import bulk
    from j4d.bulk.display import Display

    settings = bulk.Settings(**options)
    source, out = bulk.source_of(places), bulk.target_of(target)
    if samples is not None:
        from j4d.bulk import sample

        forecast = sample.predict(source, settings, samples, None if model is None else _spot_check(model, source))
        echo(json.dumps({"event": "forecast", **forecast.to_json()}) if as_json else str(forecast))
        return
    with Display(as_json) as display:
        summary = bulk.transcode_data_set(source, out, settings, watch=display, **running)
    _tell(summary, as_json)
    if not summary.clean:
        raise typer.Exit(NOT_ALL)


def _spot_check(spec: str, source: Source) -> SpotCheck:
    from j4d.bulk.sample import labels_of
    from j4d.evaluation.spot_check import SpotCheck
    from j4d.readers.loading import load_model

    found = load_model(spec)
    say_preparations([found])
    return SpotCheck(found, labels_of(source))


def _tell(summary: Summary, as_json: bool) -> None:
    totals = summary.totals
    if as_json:
        failures = [{"name": name, "reason": reason} for name, reason in summary.failures]
        notes = [{"name": name, "note": note} for name, note in summary.notes]
        line = {"event": "summary", **totals, "failures": failures, "notes": notes, "manifest": summary.manifest}
        echo(json.dumps(line))
        return
    before, after = totals["image_bytes_in"], totals["image_bytes_out"]
    saved = f"  {100 * (before - after) / before:.1f} % saved" if before else ""
    counts = [f"{totals['transcoded']} transcoded", f"{totals['kept']} kept as they were"]
    counts += [f"{totals[name]} {text}" for name, text in _MORE.items() if totals[name]]
    counts.append(f"{totals['others']} others copied")
    echo(f"{totals['images']} images  {before} -> {after} bytes{saved}  {', '.join(counts)}")
    for name, note in summary.notes[:TOLD]:
        echo(f"j4d: note: {name}: {note}", err=True)
    if len(summary.notes) > TOLD:
        echo(f"j4d: and more notes in {summary.manifest}", err=True)
    for name, reason in summary.failures[:TOLD]:
        echo(f"j4d: {name}: {reason}", err=True)
    if more := totals["unsupported"] + totals["damaged"] + totals["problems"] - len(summary.failures[:TOLD]):
        echo(f"j4d: and {more} more in {summary.manifest}", err=True)
    if totals["gone"]:
        echo(f"j4d: {totals['gone']} sources of earlier runs are gone; their outputs were left", err=True)


def split(places: list[str], out: str | None) -> tuple[list[str], str]:
    """Sources and target, which is the last place where no -o is given. DataError where there is none."""
    if out is not None:
        return places, out
    if len(places) < 2:
        raise DataError(f"say where to write {places[0]}: a second name, or -o")
    return places[:-1], places[-1]
