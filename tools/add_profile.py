"""Put a learned profile into the package: under its built-in name, and without the folders of whoever learned it.

    python tools/add_profile.py universal.json universal-420 --leave-out 1

The name is that of a family, a hyphen and the sampling without colons. Points at the lower end whose steps are all 255
ask for a rate that cannot be reached, and qualities there would give the same file: leave them out. Afterwards make
docs/profiles.md anew (bench/quality.py, bench/profile_cards.py).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from j4d.errors import J4DError, ProfileError
from j4d.evaluation.stored import without_folder
from j4d.profile.profile import Profile

FOLDER = Path(__file__).parents[1] / "src/j4d/profiles"


def shortened(profile: Profile, count: int) -> Profile:
    """The profile without its first `count` points, which its settings then tell; choices and adaptation keep what they
    say of the others. Raises ProfileError."""
    adaptation = profile.adaptation
    if adaptation is not None:
        reference = adaptation.reference - count
        adaptation = replace(adaptation, reference=reference, offsets=adaptation.offsets[count:])
    settings = {**profile.provenance.settings, "points_left_out": count}
    provenance = replace(profile.provenance, settings=settings)
    choices = tuple(replace(choice, lambdas=choice.lambdas[count:]) for choice in profile.choices)
    kept = {"points": profile.points[count:], "adaptation": adaptation, "choices": choices}
    return replace(profile, provenance=provenance, **kept)


def renamed(profile: Profile, name: str) -> Profile:
    """The profile under its built-in name. Raises ProfileError where the name does not tell its sampling."""
    sampling = profile.provenance.sampling.replace(":", "")
    family, _, suffix = name.rpartition("-")
    if not family or suffix != sampling:
        raise ProfileError(f"name {name!r} does not tell the profile's sampling; call it FAMILY-{sampling}")
    choices = tuple(replace(choice, judge=without_folders(choice.judge)) for choice in profile.choices)
    provenance = replace(profile.provenance, model=without_folders(profile.provenance.model))
    return replace(profile, name=name, provenance=provenance, choices=choices)


def without_folders(models: str) -> str:
    """Specs with " + " between, without the places of their files."""
    return " + ".join(without_folder(spec) for spec in models.split(" + "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=Path)
    parser.add_argument("name")
    parser.add_argument("--leave-out", type=int, default=0, metavar="N", help="the first N points")
    arguments = parser.parse_args()
    target = FOLDER / f"{arguments.name}.json"
    try:
        profile = renamed(Profile.load(arguments.profile), arguments.name)
        (shortened(profile, arguments.leave_out) if arguments.leave_out > 0 else profile).save(target)
    except J4DError as error:
        sys.exit(f"error: {error}")
    print(target)


if __name__ == "__main__":
    main()
