"""Put a learned profile into the package: under its built-in name, and without the folders of whoever learned it.

    python tools/add_profile.py universal.json universal-420

The name is that of a family, a hyphen and the sampling without colons. Afterwards make docs/profiles.md anew.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from j4d.errors import J4DError, ProfileError
from j4d.evaluation.stored import without_folder
from j4d.profile import Profile

FOLDER = Path(__file__).parents[1] / "src/j4d/profiles"


def renamed(profile: Profile, name: str) -> Profile:
    """The profile under its built-in name. Raises ProfileError where the name does not tell its sampling."""
    sampling = profile.provenance.sampling.replace(":", "")
    family, _, suffix = name.rpartition("-")
    if not family or suffix != sampling:
        raise ProfileError(f"name {name!r} does not tell the profile's sampling; call it FAMILY-{sampling}")
    models = " + ".join(without_folder(spec) for spec in profile.provenance.model.split(" + "))
    return replace(profile, name=name, provenance=replace(profile.provenance, model=models))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    target = FOLDER / f"{arguments.name}.json"
    try:
        renamed(Profile.load(arguments.profile), arguments.name).save(target)
    except J4DError as error:
        sys.exit(f"error: {error}")
    print(target)


if __name__ == "__main__":
    main()
