"""Claims about `j4d.transforms.JPEG`: what it takes it gives back, and what it draws can be repeated."""

from __future__ import annotations

import io
import math
import pickle
import subprocess
import sys
from collections import OrderedDict, namedtuple
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from profiles import default_profile
from toys import Toy

import j4d
from j4d.errors import ImageError, J4DError, ParameterError
from j4d.jpeg import decoding, encoding
from j4d.jpeg.coefficients import read_coefficients
from j4d.jpeg.parameters import EncodingParameters
from j4d.profile.choice import Choice
from j4d.profile.profile import OperatingPoint
from j4d.readers.encoder_judge import EncoderJudge
from j4d.transforms import JPEG

PROFILE = default_profile()
DRAWING = replace(
    PROFILE,
    points=tuple(OperatingPoint(replace(p.parameters, sharpness=1.0), p.estimated_bpp) for p in PROFILE.points),
)


def picture(height: int = 40, width: int = 56, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 20, (height, width, 3))
    return np.clip(np.stack([4 * x, 5 * y, 2 * x + y], -1) + noise, 0, 255).astype(np.uint8)


def tensor(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def points_of(transform: JPEG, *pictures: Any) -> list[int]:
    """Which point of PROFILE each picture's file is at."""
    steps = [point.parameters.luma.steps[7, 7] for point in PROFILE.points]
    return [steps.index(read_coefficients(transform.encode(p)).tables[0][7, 7]) for p in pictures]


@given(height=st.integers(1, 40), width=st.integers(1, 40), index=st.integers(0, 3), seed=st.integers(0, 9))
def test_every_kind_of_picture_comes_back_as_what_it_was_with_the_pixels_of_its_file(
    height: int, width: int, index: int, seed: int
) -> None:
    image = picture(height, width, seed)
    before = image.copy()
    transform = JPEG(PROFILE, index=index)
    data = encoding.encode(image, PROFILE.at(index=index))
    expected = decoding.decode(data)
    array, pil = transform(image), transform(Image.fromarray(image))
    assert type(array) is np.ndarray and array.dtype == np.uint8 and np.array_equal(array, expected)
    assert isinstance(pil, Image.Image) and pil.mode == "RGB" and np.array_equal(np.asarray(pil), expected)
    levels = tensor(image)[0]
    result = transform(levels)
    assert result.dtype == torch.uint8 and result.is_contiguous() and torch.equal(result, tensor(expected)[0])
    assert torch.equal(transform(levels / 255), tensor(expected)[0] / 255), "floats 0..1, on the same levels"
    assert {transform.encode(kind) for kind in (image, Image.fromarray(image), levels, levels / 255)} == {data}
    assert np.array_equal(image, before)


def test_the_default_is_what_j4d_encode_writes() -> None:
    image = picture()
    assert JPEG(quality=40).encode(image) == j4d.encode(image, quality=40)
    universal = j4d.Profile.builtin("universal")
    assert JPEG(quality=40, adapt=False, effort=0).encode(image) == j4d.encode(
        image, universal.at(quality=40), effort=0
    )
    parameters = EncodingParameters.from_quality(30, "4:4:4")
    assert JPEG(parameters).encode(image) == j4d.encode(image, parameters)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8])
def test_batches_of_any_type_are_their_pictures_one_by_one(dtype: torch.dtype) -> None:
    transform = JPEG(PROFILE, index=1, white=255)
    batch = tensor(*(picture(seed=i) for i in range(6))).to(dtype).reshape(2, 3, 3, 40, 56)
    result = transform(batch)
    assert result.shape == batch.shape and result.dtype == dtype
    for i in range(6):
        assert torch.equal(result[i // 3, i % 3], transform(batch[i // 3, i % 3]))
    assert transform(batch[:0]).shape == (0, 3, 3, 40, 56)
    assert not torch.equal(result[0, 0], result[0, 1]) and not torch.equal(result, batch)


def test_strides_and_gradients_of_the_input_do_not_matter() -> None:
    image, transform = picture(), JPEG(PROFILE, index=1)
    turned = image.transpose(1, 0, 2)[::-1]
    assert np.array_equal(transform(turned), transform(turned.copy()))
    channels_last = tensor(image, image).float().div(255).contiguous(memory_format=torch.channels_last)
    result = transform(channels_last.requires_grad_())
    assert torch.equal(result, transform(channels_last.detach().contiguous())) and not result.requires_grad


def test_gray_pictures_become_gray_files_and_stay_gray() -> None:
    image = picture()[..., 0]
    for profile in (PROFILE, "universal"):
        transform = JPEG(profile, quality=40)
        data = transform.encode(image)
        assert read_coefficients(data).sampling == "gray"
        expected = decoding.decode(data)[..., 0]
        assert np.array_equal(transform(image), expected)
        assert np.array_equal(np.asarray(transform(Image.fromarray(image))), expected)
        assert transform(Image.fromarray(image)).mode == "L"
        assert torch.equal(transform(torch.from_numpy(image)[None]), torch.from_numpy(expected)[None])


def test_pictures_of_pillow_keep_their_metadata() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(file, "JPEG", exif=exif, icc_profile=b"colours")
    opened = Image.open(file)
    result = JPEG(PROFILE, index=1)(opened)
    assert result.size == opened.size and result.getexif()[0x0112] == 6 and result.info["icc_profile"] == b"colours"


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for torchvision.tv_tensors, which has these names and drops the type in every operation too."""

    class TVTensor(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            with torch._C.DisableTorchFunctionSubclass():
                return function(*args, **(kwargs or {}))

    made = {name: type(name, (TVTensor,), {}) for name in ("Image", "Video", "Mask")}

    def wrap(value: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
        result = value.as_subclass(type(like))
        result.note = like.note
        return result

    module = SimpleNamespace(TVTensor=TVTensor, wrap=wrap, **made)
    monkeypatch.setitem(sys.modules, "torchvision.tv_tensors", module)
    return module


def noted(value: torch.Tensor, kind: type, note: str) -> Any:
    result = value.as_subclass(kind)
    result.note = note
    return result


def test_tv_tensors_keep_their_type_and_metadata_and_masks_are_passed_on(kinds: SimpleNamespace) -> None:
    transform, plain = JPEG(PROFILE, index=1), tensor(picture(), picture(seed=1))
    image, video = noted(plain[0], kinds.Image, "i"), noted(plain, kinds.Video, "v")
    mask, other = noted(plain[:, :1], kinds.Mask, "m"), plain.clone()
    sample = {"mask": mask, "image": image, "more": [video, other, "text", 7]}
    result = transform(sample)
    assert type(result["image"]) is kinds.Image and result["image"].note == "i"
    assert type(result["more"][0]) is kinds.Video and result["more"][0].note == "v"
    assert torch.equal(result["image"].as_subclass(torch.Tensor), transform(plain[0]))
    assert torch.equal(result["more"][0].as_subclass(torch.Tensor), transform(plain))
    assert result["mask"] is mask and result["more"][1] is other, "with marked pictures, plain tensors are none"
    assert transform((mask, other))[0] is mask, "a mask is no plain tensor either"
    with pytest.raises(ImageError, match="no picture among"):
        transform(mask, "text")


def test_of_several_inputs_the_pictures_change_and_the_rest_is_the_same_objects() -> None:
    transform, image = JPEG(PROFILE, index=1), picture()
    pair = namedtuple("pair", "image target")
    target, pil = object(), Image.fromarray(image)
    expected = transform(image)
    result = transform(pil, target)
    assert isinstance(result, tuple) and result[1] is target and np.array_equal(np.asarray(result[0]), expected)
    labels = torch.arange(5)
    result = transform(OrderedDict(deep=[pair(pil, labels), (1, None)], also=pil))
    assert type(result) is OrderedDict and type(result["deep"][0]) is pair and result["deep"][1] == (1, None)
    assert result["deep"][0].target is labels
    assert all(np.array_equal(np.asarray(p), expected) for p in (result["deep"][0].image, result["also"]))
    first, second = tensor(image, image)
    result = transform([first, second])
    assert torch.equal(result[0], transform(first)) and result[1] is second, "of plain tensors the first, as in v2"


@settings(max_examples=30)
@given(name=st.sampled_from(["quality", "bpp", "index"]), data=st.data())
def test_places_are_drawn_from_the_whole_range_and_never_beyond(name: str, data: st.DataObject) -> None:
    last = {"quality": 100.0, "bpp": 2.0, "index": 3}[name]
    places = st.integers(0, 3) if name == "index" else st.floats(0.25 if name == "bpp" else 0, last)
    low, high = sorted((data.draw(places), data.draw(places)))
    random = np.random.default_rng(0)
    drawn = [JPEG(PROFILE, **{name: (low, high)})._place.draw(random)[name] for _ in range(60)]
    assert all(low <= place <= high for place in drawn)
    PROFILE.at(**{name: min(drawn)})
    if name == "index":
        assert set(drawn) == set(range(low, high + 1))
    elif name == "quality":
        assert max(drawn) - min(drawn) >= 0.7 * (high - low)
    else:
        assert math.log(max(drawn) / min(drawn)) >= 0.7 * math.log(high / low)


def test_each_picture_draws_its_own_place_from_ranges_and_choices() -> None:
    torch.manual_seed(0)
    pictures = [picture()] * 40
    assert set(points_of(JPEG(PROFILE, index=(1, 3)), *pictures)) == {1, 2, 3}
    assert set(points_of(JPEG(PROFILE, index=[0, -1]), *pictures)) == {0, 3}
    drawn = [JPEG(PROFILE, bpp=(0.25, 2.0))._place.draw(np.random.default_rng(i))["bpp"] for i in range(400)]
    assert abs(np.log(drawn).mean() - math.log(0.5**0.5)) < 0.1, "even in the logarithm"
    batch = JPEG(PROFILE, index=(0, 3))(tensor(*pictures))
    assert len({bytes(one.numpy()) for one in batch}) == 4


def test_the_profile_moves_pictures_and_a_judge_chooses_for_them() -> None:
    image = picture()
    universal = j4d.Profile.builtin("universal")
    moved = j4d.encode(image, universal.adapted(image, bpp=0.5))
    assert JPEG(universal, bpp=0.5).encode(image) == moved != JPEG(universal, bpp=0.5, adapt=False).encode(image)
    judge = EncoderJudge(Toy())
    knowing = replace(PROFILE, choices=(Choice("toy", judge.fingerprint, (8.0, 0.5, 0.02, 1e-4)),))
    chosen = [j4d.encode(image, knowing.chosen(image, judge, index=i)) for i in range(4)]
    assert [JPEG(knowing, index=i, judge=judge).encode(image) for i in range(4)] == chosen and len(set(chosen)) > 1


def test_without_a_seed_torch_s_generator_is_drawn_from_and_only_where_something_is_random() -> None:
    images = [picture(seed=i) for i in range(8)]
    for transform in (JPEG(PROFILE, quality=(0, 100)), JPEG(DRAWING, index=1)):
        runs = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            runs.append([transform.encode(image) for image in images])
        assert runs[0] == runs[1] != runs[2]
    before = torch.get_rng_state()
    for transform in (
        JPEG(PROFILE, quality=30),
        JPEG(DRAWING, index=1, deterministic=True),
        JPEG(DRAWING, index=1, seed=1),
    ):
        transform(images[0])
    assert torch.equal(before, torch.get_rng_state())


def test_with_a_seed_what_is_drawn_depends_on_the_picture_alone() -> None:
    images = [picture(seed=i) for i in range(8)]
    for profile, place in ((PROFILE, {"quality": (0, 100)}), (DRAWING, {"index": 1})):
        transform = JPEG(profile, seed=3, **place)
        forward = [transform.encode(image) for image in images]
        assert forward == [transform.encode(Image.fromarray(image)) for image in reversed(images)][::-1]
        assert all(a != b for a, b in zip(forward, map(JPEG(profile, seed=4, **place).encode, images), strict=True))
    indices = points_of(JPEG(PROFILE, index=(0, 3), seed=0), *(picture(8, 8, seed=i) for i in range(60)))
    assert set(indices) == {0, 1, 2, 3}, "other pictures, other draws"


class Loaded(torch.utils.data.Dataset):
    """One picture again and again, through two transforms."""

    def __init__(self) -> None:
        self.transforms = JPEG(PROFILE, bpp=(0.25, 2.0)), JPEG(PROFILE, bpp=(0.25, 2.0), seed=5)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[bytes, ...]:
        return tuple(transform.encode(picture()) for transform in self.transforms)


def test_spawned_workers_draw_differently_and_a_seeded_loader_repeats_them() -> None:
    def epochs(workers: int) -> list[list[tuple[bytes, ...]]]:
        loader = torch.utils.data.DataLoader(
            Loaded(),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=bool(workers),
            generator=torch.Generator().manual_seed(9),
        )
        return [list(loader), list(loader)]

    first, second = epochs(2)
    assert len({files[0] for files in first + second}) == 12, "workers and epochs draw differently"
    own = JPEG(PROFILE, bpp=(0.25, 2.0), seed=5).encode(picture())
    assert {files[1] for files in first + second} == {own}, "with a seed of its own, the same in every process"
    assert {files[1] for epoch in epochs(0) for files in epoch} == {own}


@pytest.mark.parametrize("options", [{"quality": (20, 90), "seed": 1}, {"index": [0, 2], "seed": 1}, {"bpp": 0.5}])
def test_a_pickled_transform_does_the_same(options: dict[str, Any]) -> None:
    transform = JPEG(DRAWING, **options)
    again = pickle.loads(pickle.dumps(transform))
    images = [picture(seed=i) for i in range(4)]
    torch.manual_seed(0)
    expected = [transform.encode(image) for image in images]
    torch.manual_seed(0)
    assert [again.encode(image) for image in images] == expected and repr(again) == repr(transform)


def test_pictures_of_pillow_and_numpy_need_no_torch() -> None:
    program = (
        "import sys, numpy as np; from PIL import Image; from j4d.transforms import JPEG, RecodeSample\n"
        "image = np.zeros((9, 9, 3), np.uint8); t = JPEG(quality=(20, 90), seed=1)\n"
        "t(image), t(Image.fromarray(image)), JPEG(quality=50)(image)\n"
        "assert not {'torch', 'torchvision', 'webdataset', 'datasets'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "one of quality, bpp, index; got none"),
        ((), {"quality": 3, "bpp": 1}, "got quality and bpp"),
        ((), {"quality": 101}, "101 is outside 0..100"),
        ((), {"quality": (20, 120)}, "120 is outside"),
        ((), {"quality": (90, 20)}, "from low to high"),
        ((), {"quality": (1, 2, 3)}, "two ends"),
        ((), {"index": []}, "one place or more"),
        ((), {"index": 1.5}, "1.5 is not an integer"),
        ((), {"quality": 4, "seed": -1}, "seed -1"),
        ((), {"quality": 4, "effort": 9}, "9"),
        ((), {"quality": 4, "white": 0}, "white"),
        ((PROFILE,), {"quality": 4, "sampling": "4:4:4"}, "has its own, 4:2:0"),
        (("nowhere",), {"quality": 4}, "nowhere"),
        ((3,), {"quality": 4}, "a int is no Profile"),
        ((PROFILE.at(index=0),), {"quality": 4}, "have no quality"),
    ],
)
def test_wrong_options_are_told_when_it_is_made(arguments: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(J4DError, match=message) as caught:
        JPEG(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((0, 4, 3), np.uint8), "4 x 0 pixels"),
        (Image.new("RGBA", (4, 4)), "mode RGBA"),
        (torch.zeros(4, 4), r"\(4, 4\)"),
        (torch.zeros(2, 4, 4), r"\(2, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (torch.full((3, 4, 4), 200.0), "before normalisation"),
        (torch.full((3, 4, 4), math.nan), "before normalisation"),
        (torch.full((3, 4, 4), -0.6), "before normalisation"),
        ("photo.jpg", "no picture among"),
    ],
)
def test_what_is_no_picture_is_an_error(value: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        JPEG(PROFILE, index=1)(value)


def test_floats_go_to_the_nearest_level_and_those_a_little_beyond_the_range_are_clamped() -> None:
    image = tensor(picture())[0] / 255
    between = image + 0.4 / 255 * torch.full((40, 56), 0.5).bernoulli().mul(2).sub(1)
    assert torch.equal(JPEG(PROFILE, index=2)(between), JPEG(PROFILE, index=2)(image))
    stretched = (image - 0.5) * 1.3 + 0.5
    assert torch.equal(JPEG(PROFILE, index=2)(stretched), JPEG(PROFILE, index=2)(stretched.clamp(0, 1)))
    with pytest.raises(ImageError, match="2 pictures"):
        JPEG(PROFILE, index=2).encode(torch.stack([image, image]))
    with pytest.raises(ParameterError, match="a judge"):
        JPEG(PROFILE, index=2, judge=EncoderJudge(Toy()), adapt=False)
