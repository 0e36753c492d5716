"""What exiftool says of a file before and after."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from camera_files import EXIFTOOL
from PIL import Image

from j4d.jpeg.parameters import EncodingParameters
from j4d.jpeg.transcoding import Transcoder

QUALITY_30 = EncodingParameters.from_quality(30)


# The file's own name, size and dates, whether it is progressive, and where the index of pictures says that they are.
MAY_CHANGE = ("System:", "SourceFile", "File:EncodingProcess")


POINTERS = (":MPImageStart", ":MPImageLength")


def small_pictures(folder: Path) -> list[Image.Image]:
    """Scaled-down photographs of the folder of real data."""
    found = []
    for path in sorted([*folder.glob("camera/*.jpg"), *folder.glob("kodak/*.webp")]):
        with Image.open(path) as picture:
            picture.draft("RGB", (320, 320))
            picture.thumbnail((240, 240))
            found.append(picture.convert("RGB"))
    return found


def metadata(folder: Path) -> dict[str, dict[str, Any]]:
    """All that exiftool reads in each file of a folder, binary values too."""
    assert EXIFTOOL
    asked = [EXIFTOOL, "-a", "-u", "-G1:4", "-s", "-j", "-b", "-ext", "jpg", str(folder)]
    told = subprocess.run(asked, capture_output=True, check=False).stdout.decode(errors="surrogateescape")
    return {Path(found["SourceFile"]).name: found for found in json.loads(told)}


def warnings(folder: Path) -> dict[str, Counter[str]]:
    """What exiftool finds wrong in each file of a folder, such as an offset beyond the file's end."""
    assert EXIFTOOL
    asked = [EXIFTOOL, "-validate", "-warning", "-a", "-G1:4", "-j", "-ext", "jpg", str(folder)]
    told = subprocess.run(asked, capture_output=True, check=False).stdout.decode(errors="surrogateescape")
    return {
        Path(found["SourceFile"]).name: Counter(str(value) for tag, value in found.items() if "Warning" in tag)
        for found in json.loads(told)
    }


def different(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Tags that changed and must not have."""
    names = [name for name in {**before, **after} if before.get(name, "none") != after.get(name, "none")]
    return [name for name in names if not name.startswith(MAY_CHANGE) and not name.endswith(POINTERS)]


def changes(files: dict[str, Path]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """(name, what changed) of each file where something did, and why some were left as they were."""
    found, left = [], {}
    target = next(iter(files.values())).parent / "transcoded"
    target.mkdir()
    transcoder = Transcoder(QUALITY_30)
    for name, path in files.items():
        done = transcoder.one(path.read_bytes())
        (target / name).write_bytes(done.data)
        if done.left or done.copied or done.data == path.read_bytes():
            left[name] = done.left or "not smaller"
    before, after = metadata(target.parent), metadata(target)
    wrong_before, wrong_after = warnings(target.parent), warnings(target)
    for name in files:
        if name not in before or name not in after:
            found.append((name, "exiftool does not read it"))
            continue
        for tag in different(before[name], after[name]):
            was, now = before[name].get(tag, "none"), after[name].get(tag, "none")
            found.append((name, f"{tag}: {was!s:.80} became {now!s:.80}"))
        found += [(name, f"exiftool warns: {text}") for text in wrong_after[name] - wrong_before[name]]
        if len(before[name]) < 30:
            found.append((name, f"only {len(before[name])} tags: exiftool has written none"))
    return found, left
