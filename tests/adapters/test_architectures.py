"""Real architectures of three libraries, their weights random: preprocessing, gradients and files of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from PIL import Image
from torch import Tensor

from j4d.errors import ModelError
from j4d.readers.loading import load_model
from j4d.readers.vision import VisionModel

pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")

# Squashed, and cut by other shares than most, among them.
TIMM = ["resnet10t", "mobilenetv3_small_050", "deit_tiny_patch16_224", "convnext_atto", "dm_nfnet_f0"]
TORCHVISION = ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0", "swin_t"]
HF = ["ConvNext", "DeiT", "Dinov2", "MobileNetV2", "ResNet", "ViT"]
SPECS = [*(f"timm:{n}" for n in TIMM), *(f"torchvision:{n}" for n in TORCHVISION), *(f"hf:{n}" for n in HF)]
PROCESSORS = {"Dinov2": "Bit", "ResNet": "ConvNext"}
TRANSFORMER = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
SMALL: dict[str, dict[str, Any]] = {
    "ConvNext": {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
    "MobileNetV2": {"depth_multiplier": 0.35},
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]},
    "DeiT": TRANSFORMER,
    "Dinov2": TRANSFORMER,
    "ViT": TRANSFORMER,
}


class Case(NamedTuple):
    model: VisionModel
    theirs: Callable[[Image.Image], Tensor]  # the library's own preprocessing: a picture to (3, H, W)


@pytest.fixture(scope="module")
def patched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def random_timm(patch: pytest.MonkeyPatch, **overlay: Any) -> None:
    """Let timm make networks with random weights where pretrained ones are asked for."""
    make = timm.models.create_model
    patch.setattr(timm, "create_model", lambda name, pretrained: make(name, pretrained_cfg_overlay=overlay or None))


def saved(folder: Path, name: str, processor: str, **settings: Any) -> str:
    """The spec of a transformers classifier with random weights and the default processor of its family."""
    config = getattr(transformers, f"{name}Config")(**SMALL[name], num_labels=10)
    getattr(transformers, f"{name}ForImageClassification")(config).save_pretrained(folder)
    getattr(transformers, f"{processor}ImageProcessor")(**settings).save_pretrained(folder)
    return f"hf:{folder}"


@pytest.fixture(
    scope="module",
    params=[
        f"{scheme}:{name}"
        for scheme, names in (("timm", TIMM), ("torchvision", TORCHVISION), ("hf", HF))
        for name in names
    ],
)
def case(request: pytest.FixtureRequest, patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Case:
    spec: str = request.param
    scheme, name = spec.split(":")
    torch.manual_seed(0)
    if scheme == "timm":
        random_timm(patched)
        model = load_model(spec)
        config = timm.data.resolve_model_data_config(model.net)
        return Case(model, timm.data.create_transform(**config))
    if scheme == "torchvision":
        make = torchvision.models.get_model
        patched.setattr(torchvision.models, "get_model", lambda name, weights: make(name, weights=None))
        model = load_model(spec)
        patched.setattr(torchvision.models, "get_model", make)
        return Case(model, torchvision.models.get_model_weights(name).DEFAULT.transforms())
    folder = tmp_path_factory.mktemp(name)
    model = load_model(saved(folder, name, PROCESSORS.get(name, name)))
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    return Case(model, lambda picture: processor(picture, return_tensors="pt")["pixel_values"][0])


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()


def example(case: Case) -> Tensor:
    size = case.model.preprocess.output_size
    assert size is not None
    return torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0)) * 255


def test_preprocessing_is_the_librarys_own(case: Case, photographs: dict[str, np.ndarray]) -> None:
    """But for whole levels, which the libraries round to and clip at after each direction of a resize.

    At 400 x 600 an even number of pixels is cut: of an odd one transformers cuts the larger half on the other side.
    """
    for image in (photographs["coffee"], photographs["coffee"].transpose(1, 0, 2)):
        assert sorted(image.shape) == [3, 400, 600]
        theirs = case.theirs(Image.fromarray(np.ascontiguousarray(image)))
        off = (case.model.preprocess(tensor(image))[0] - theirs).abs() * case.model.preprocess.std
        assert off.mean() < 0.5 and (off > 2).float().mean() < 0.001, "in levels"


def test_answers_and_gradients_are_finite(case: Case, photographs: dict[str, np.ndarray]) -> None:
    pixels = tensor(photographs["chelsea"]).requires_grad_()
    logits = case.model(pixels)
    assert logits.shape[0] == 1 and logits.shape[1] in (10, 1000) and logits.isfinite().all()
    (gradient,) = torch.autograd.grad((logits**2).sum() + logits[0, 0], pixels)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


def test_its_torchscript_file_answers_alike(case: Case, tmp_path: Path) -> None:
    net, pixels = case.model.net.to(memory_format=torch.contiguous_format), example(case) / 255
    path = tmp_path / "net.ts"
    with torch.no_grad():
        torch.jit.trace(net, pixels, check_trace=False).save(path)
        torch.testing.assert_close(load_model(str(path))(pixels), net(pixels), rtol=1e-3, atol=1e-4)


def test_its_exported_program_answers_alike(case: Case, tmp_path: Path) -> None:
    net, pixels = case.model.net.to(memory_format=torch.contiguous_format), example(case) / 255
    path = tmp_path / "net.pt2"
    with torch.no_grad():
        torch.export.save(torch.export.export(net, (pixels,)), path)
        torch.testing.assert_close(load_model(str(path))(pixels), net(pixels), rtol=1e-3, atol=1e-4)


def test_preprocessing_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LeViT's resize has a rule of its own, MobileViT wants blue first, timm's "border" pads: none is ours."""
    random_timm(monkeypatch, crop_mode="border")
    with pytest.raises(ModelError, match=r"timm:resnet10t: its preprocessing is not .* resize, centre crop"):
        load_model("timm:resnet10t")
    for processor in ("Levit", "MobileViT"):
        with pytest.raises(ModelError, match=r"its preprocessing is not .* resize, centre crop"):
            load_model(saved(tmp_path / processor, "ViT", processor))


def test_a_timm_model_of_oblong_pictures_is_squashed(monkeypatch: pytest.MonkeyPatch) -> None:
    random_timm(monkeypatch, crop_mode="squash", input_size=(3, 96, 64), crop_pct=0.8)
    preprocess = load_model("timm:resnet10t").preprocess
    assert (preprocess.resize, preprocess.crop) == ((120, 80), (96, 64))


@pytest.mark.parametrize("spec", ["timm:no_such_net", "torchvision:no_such_net", "hf:no/such-net"])
def test_an_unknown_name_is_one_line(spec: str) -> None:
    with pytest.raises(ModelError, match=f"model '{spec}' cannot be made: [^\n]+$"):
        load_model(spec)


def test_detectors_of_torchvision_are_no_classifiers() -> None:
    with pytest.raises(ModelError, match="not an image classifier"):
        load_model("torchvision:fasterrcnn_mobilenet_v3_large_320_fpn")
