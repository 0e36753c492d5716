"""An image set gives upright uint8 RGB from whatever a folder holds, matches labels, and names what is wrong."""

from __future__ import annotations

import io
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from j4d.errors import DataError, ImageError
from j4d.images import reading
from j4d.images.image_set import ImageSet, load_images, read_image

RED = (255, 0, 0)


def picture(height: int = 5, width: int = 7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """b.png, a.png, class/c.png, and things that are no images."""
    (tmp_path / "class").mkdir()
    (tmp_path / ".hidden").mkdir()
    for seed, name in enumerate(["b.png", "a.png", "class/c.png", ".hidden/d.png", "._a.png"]):
        Image.fromarray(picture(seed=seed)).save(tmp_path / name)
    (tmp_path / "README.txt").write_text("not an image")
    return tmp_path


def write_labels(folder: Path, *rows: str, header: str = "file,label") -> Path:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "labels.csv"


def test_a_folder_is_listed_recursively_in_order_of_name(folder: Path) -> None:
    found = load_images(folder)
    assert [p.relative_to(folder).as_posix() for p in found.paths] == ["a.png", "b.png", "class/c.png"]
    assert len(found) == 3 and found.labels is None and found.name == folder.name
    for image, seed in zip(found, (1, 0, 2), strict=True):
        assert np.array_equal(image, picture(seed=seed))
    assert np.array_equal(found[-1], picture(seed=2))


def test_labels_follow_their_images_whatever_the_order_of_rows(folder: Path) -> None:
    write_labels(folder, "class/c.png,7", "b.png,0", "a.png,3")
    found = load_images(folder)
    assert found.labels is not None and found.labels.tolist() == [3, 0, 7] and found.labels.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        found.labels[0] = 1


def test_a_split_keeps_its_rows_only(folder: Path) -> None:
    write_labels(folder, "a.png,3,learn", "b.png,0,test", "class/c.png,7,learn", header="file,label,split")
    learn = load_images(folder, split="learn")
    assert [p.name for p in learn.paths] == ["a.png", "c.png"] and learn.labels is not None
    assert learn.labels.tolist() == [3, 7] and learn.name == f"{folder.name}/learn"
    assert len(load_images(folder)) == 3


def test_a_label_file_may_lie_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_labels(tmp_path_factory.mktemp("labels"), "a.png,1", "b.png,2", "class/c.png,3")
    assert load_images(folder).labels is None
    labels = load_images(folder, labels=path).labels
    assert labels is not None and labels.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,1\n", "2 images have no label, the first is 'b.png'"),
        ("file,label\na.png,1\nb.png,1\nclass/c.png,1\nd.png,1\n", "'d.png' is not an image in the folder"),
        ("file,label\n../a.png,1\n", r"'\.\./a\.png' is not an image in the folder"),
        ("file,label\na.png,1\na.png,1\nb.png,1\nclass/c.png,1\n", "'a.png' is listed 2 times"),
        ("file,label\na.png,cat\nb.png,1\nclass/c.png,1\n", "label 'cat' of 'a.png' is not a class number"),
        ("file,label\na.png\nb.png,1\nclass/c.png,1\n", "label None of 'a.png'"),
        ("file,label\na.png,-1\nb.png,1\nclass/c.png,1\n", "label '-1' of 'a.png'"),
        ("name,label\na.png,1\n", "no column 'file'; the first line is 'name,label'"),
        ("file;label\na.png;1\n", "no column 'file'"),
        ("", "no column 'file'"),
        ("file,label\n\udcff,1\n", "not a CSV text file in UTF-8"),
    ],
)
def test_a_label_file_that_does_not_match_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "labels.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=message) as caught:
        load_images(folder)
    assert str(caught.value).startswith(str(folder / "labels.csv")) and "\n" not in str(caught.value)


def test_a_split_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="split 'test' needs a label file"):
        load_images(folder, split="test")
    rows = [f"{name},1" for name in ("a.png", "b.png", "class/c.png")]
    write_labels(folder, *rows)
    with pytest.raises(DataError, match="no column 'split'"):
        load_images(folder, split="test")
    write_labels(folder, *(f"{row},learn" for row in rows), header="file,label,split")
    with pytest.raises(DataError, match="no row has split 'test'; there are: learn"):
        load_images(folder, split="test")


def test_an_empty_missing_or_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images below this folder"):
        load_images(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load_images(tmp_path / "no")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file; expected a folder"):
        load_images(tmp_path / "file")
    with pytest.raises(DataError, match="cannot read the label file: No such file"):
        Image.fromarray(picture()).save(tmp_path / "a.png")
        load_images(tmp_path, labels=tmp_path / "no.csv")


def test_a_text_file_named_jpg_is_named_at_once(folder: Path) -> None:
    (folder / "notes.jpg").write_text("hello")
    with pytest.raises(ImageError, match=r"notes\.jpg: not an image"):
        load_images(folder)


def test_a_truncated_image_is_named_when_decoded(folder: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(file, "JPEG")
    (folder / "cut.jpg").write_bytes(file.getvalue()[:-200])
    found = load_images(folder)
    with pytest.raises(ImageError, match=r"cut\.jpg: cannot be decoded"):
        list(found)


def test_an_image_with_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(10, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "PIXEL_LIMIT", 99)
    with pytest.raises(ImageError, match=r"a\.png: 10x10 is more than 99 pixels"):
        load_images(tmp_path)


def test_a_bomb_in_a_header_is_refused(tmp_path: Path) -> None:
    header = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 40000, 40000, 1, 24, *[0] * 6)
    (tmp_path / "a.bmp").write_bytes(header)
    with pytest.raises(ImageError, match=r"a\.bmp: more than 134217728 pixels"):
        read_image(tmp_path / "a.bmp")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "RGB", "1", "CMYK"])  # opaque
def test_every_mode_becomes_rgb_as_pillow_converts_it(tmp_path: Path, mode: str) -> None:
    source = Image.fromarray(picture(9, 6)).convert(mode)
    source.save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    got = load_images(tmp_path)[0]
    assert got.dtype == np.uint8 and np.array_equal(got, np.asarray(source.convert("RGB")))


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), RED).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - RED).max() <= 4


def test_what_is_transparent_is_white_whatever_colour_lies_under_it(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (*RED, 0)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255).all()


def test_16_bit_gray_keeps_its_upper_byte(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 0, 1, 255]


def test_float_samples_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: mode F has more than 8 bits"):
        read_image(tmp_path / "a.tif")


# TIFF 6.0, tag Orientation: where row 0, column 0 of the stored picture is to be seen
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


@pytest.mark.parametrize(("orientation", "corner"), CORNERS.items())
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    stored = np.zeros((2, 3, 3), np.uint8)
    stored[0, 0] = RED
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    got = read_image(tmp_path / "a.png")
    assert got.shape == ((3, 2, 3) if orientation >= 5 else (2, 3, 3))
    assert got[corner].tolist() == list(RED)


def test_fingerprint_is_the_same_elsewhere_and_in_any_order(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(folder, elsewhere)
    here, there = load_images(folder), load_images(os.path.relpath(elsewhere))
    assert here.fingerprint == there.fingerprint == here.subset([2, 0, 1]).fingerprint
    assert len(here.fingerprint) == 64


def test_fingerprint_sees_a_changed_byte_name_and_member(folder: Path) -> None:
    marks = {load_images(folder).fingerprint, load_images(folder).subset([0, 1]).fingerprint}
    with open(folder / "a.png", "ab") as file:
        file.write(b"x")
    marks.add(load_images(folder).fingerprint)
    os.rename(folder / "a.png", folder / "e.png")
    marks.add(load_images(folder).fingerprint)
    assert len(marks) == 4


def test_fingerprint_of_arrays_sees_shape_and_values() -> None:
    sets = [[picture(2, 6)], [picture(3, 4)], [picture(2, 6).reshape(6, 2, 3)], [picture(2, 6), picture(2, 6)]]
    assert len({ImageSet.from_arrays(arrays).fingerprint for arrays in sets}) == 4
    assert ImageSet.from_arrays(sets[0]).fingerprint == ImageSet.from_arrays(sets[0]).fingerprint


def test_arrays_make_a_set() -> None:
    arrays = [picture(3, 4), picture(5, 6)]
    made = ImageSet.from_arrays(arrays, [4, 5], name="two")
    assert len(made) == 2 and made.labels is not None and made.labels.tolist() == [4, 5]
    assert all(np.array_equal(a, b) for a, b in zip(made, arrays, strict=True))
    assert repr(made) == "ImageSet('two', 2 images, labelled)"


@pytest.mark.parametrize(
    "array", [picture()[..., 0], picture()[..., :2], picture() / 255, np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_that_are_not_rgb_bytes_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"arrays\[1\]: .* of shape .*, expected uint8 RGB"):
        ImageSet.from_arrays([picture(), array])


@pytest.mark.parametrize("labels", [[1], [1, 2, 3], [0.5, 1.0], [[1], [2]], ["a", "b"]])
def test_labels_that_do_not_fit_are_refused(labels: list[object]) -> None:
    with pytest.raises(DataError, match="expected one integer for each of 2 images"):
        ImageSet.from_arrays([picture(), picture()], labels)  # type: ignore[arg-type]


def test_no_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        ImageSet.from_arrays([])


def test_a_subset_carries_its_labels(folder: Path) -> None:
    write_labels(folder, "a.png,3", "b.png,0", "class/c.png,7")
    part = load_images(folder).subset([2, 0])
    assert part.labels is not None and part.labels.tolist() == [7, 3]
    assert np.array_equal(part[0], picture(seed=2)) and np.array_equal(part[1], picture(seed=1))


def test_a_split_is_disjoint_complete_and_repeatable() -> None:
    whole = ImageSet.from_arrays([picture(seed=i) for i in range(9)], list(range(9)))
    for seed in range(3):
        part, rest = whole.split(4, seed=seed)
        assert part.labels is not None and rest.labels is not None
        assert len(part) == 4 and sorted([*part.labels, *rest.labels]) == list(range(9))
        again = whole.split(4, seed=seed)[0].labels
        assert again is not None and again.tolist() == part.labels.tolist()
    with pytest.raises(DataError, match="cannot take 10 of 9 images"):
        whole.split(10)
