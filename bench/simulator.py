"""Time and peak memory of a simulated JPEG's forward + backward, beside its rivals, on the same photographs.

    python bench/simulator.py            # the table of docs/performance.md
    python bench/simulator.py --smoke    # one small batch, few repetitions: does it run, is it correct?

One step is: pixels in, decoded pixels out, the gradient of a scalar loss with respect to both quantization tables. Rows
"+ rate" add the estimated bits per pixel to the loss. 4:2:0, which is all that Kornia has. The rivals:

- Kornia's `JPEGCodecDifferentiable` (polynomial rounding), its tables given and requiring gradients;
- `windows`: the same probabilistic quantizer as ours, written plainly: five window tensors per coefficient, autograd.
  It shares our smooth transform, so the row tells what the closed-form gradient alone gives.

Time: repetitions interleaved over the contenders in one process, median and quartiles; CUDA events on a GPU. Memory:
"peak" is the most that tensors held at once during the step, inputs not counted: from the CPU allocator's events
(torch.profiler), on CUDA max_memory_allocated. "RSS" checks it from outside: each contender takes one step in a forked
child of its own, ru_maxrss less the resident memory before.

Correct? Difference between the row's pixels and libjpeg-turbo's decode of the file that Pillow writes with the same
tables: "max" and "mean" in levels of 0..255. "gradient": relative distance of the tables' gradient from autograd's
through `windows` in float64. Soft values differ from a decoder's by design; a hard forward must not.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import multiprocessing
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by PyTorch when it is first imported

import numpy as np
import torch
from kornia.enhance import JPEGCodecDifferentiable
from PIL import Image, features
from torch import Tensor, nn

import j4d
from j4d.simulation.entropy import dc_differences, difference_bits
from j4d.simulation.quantizer import index_limit, nearest
from j4d.simulation.transform import coefficients_to_pixels, pixels_to_coefficients

SHARPNESS = 8.0
RATE_WEIGHT = 2.0
Step = Callable[[Tensor], tuple[Tensor, Tensor]]  # pixels -> (decoded pixels, gradient (2, 8, 8))
Contender = Callable[[j4d.EncodingParameters, torch.device, torch.dtype], Step]


@functools.cache
def loss_weights(count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.linspace(0, 40, count, device=device, dtype=dtype).cos_() / count


def loss_of(decoded: Tensor) -> Tensor:
    """A linear loss with fixed weights of both signs: its gradient does not depend on the decoded values."""
    return torch.dot(loss_weights(decoded.numel(), decoded.device, decoded.dtype), decoded.reshape(-1))


# -- contenders ---------------------------------------------------------------------------------------------------


def ours(forward: str, rate: bool) -> Contender:
    """`j4d.SimulatedJPEG`, which learns the logarithm of the steps; gradient="exact" is what can be checked."""

    def make(parameters: j4d.EncodingParameters, device: torch.device, dtype: torch.dtype) -> Step:
        jpeg = j4d.SimulatedJPEG(parameters, forward=forward, gradient="exact", sharpness=SHARPNESS).to(device, dtype)

        def step(pixels: Tensor) -> tuple[Tensor, Tensor]:
            jpeg.log_steps.grad = None
            if rate:
                decoded, bpp = jpeg(pixels)
                loss = loss_of(decoded) + RATE_WEIGHT * bpp
            else:
                planes = pixels_to_coefficients(pixels, jpeg.sampling, exact=forward != "soft")
                decoded = jpeg.decoded(planes, *pixels.shape[-2:])
                loss = loss_of(decoded)
            loss.backward()
            return decoded.detach(), jpeg.log_steps.grad / jpeg.steps.detach()

        return step

    return make


def kornia() -> Contender:
    def make(parameters: j4d.EncodingParameters, device: torch.device, dtype: torch.dtype) -> Step:
        tables = [
            nn.Parameter(torch.tensor(t[None], dtype=dtype)) for t in (parameters.luma.steps, parameters.chroma.steps)
        ]
        codec = JPEGCodecDifferentiable(*tables).to(device)
        # Quality 50 uses the tables as they are; at 99.5, which Kornia's documentation names for that, all steps are 1.
        quality = torch.tensor([50.0], device=device, dtype=dtype)

        def step(pixels: Tensor) -> tuple[Tensor, Tensor]:
            codec.zero_grad()
            decoded = codec(pixels / 255, quality) * 255
            loss_of(decoded).backward()
            return decoded.detach(), torch.cat([t.grad for t in codec.parameters()])

        return step

    return make


def windows(rate: bool, hard: bool = False) -> Contender:
    """The five indices nearest to c/q and their probabilities as tensors; autograd does the rest.

    hard: the nearest index's value with the soft value's gradient, between exact transforms; only to check ours.
    """

    def make(parameters: j4d.EncodingParameters, device: torch.device, dtype: torch.dtype) -> Step:
        start = np.stack((parameters.luma.steps, parameters.chroma.steps))
        steps = torch.tensor(start, device=device, dtype=dtype, requires_grad=True)
        offsets = torch.arange(-2, 3, device=device, dtype=dtype)

        def entropy(k: Tensor, p: Tensor, levels: int = 1030) -> Tensor:
            place = k.abs().long() + levels * torch.arange(64, device=device).view(8, 8, 1)
            histogram = p.new_zeros(64 * levels).index_add(0, place.flatten(), p.flatten()).view(64, levels)
            marginal = histogram[1:] / histogram[1:].sum(1, keepdim=True)  # DC is coded as differences
            lengths = -torch.log2(marginal.clamp_min(1e-9))
            return (histogram[1:] * lengths).sum() + histogram[1:, 1:].sum()

        def step(pixels: Tensor) -> tuple[Tensor, Tensor]:
            steps.grad = None
            values, indices = [], []
            planes = pixels_to_coefficients(pixels, parameters.sampling, exact=hard)
            for component, plane in enumerate(planes):
                q = steps[min(component, 1)]
                u = plane / q
                limit = index_limit(u)
                k = torch.minimum(torch.maximum(u.detach().round(), -limit), limit)[..., None] + offsets
                p = torch.softmax(-SHARPNESS * (u[..., None] - k) ** 2, -1)
                value = (p * k).sum(-1) * q
                values.append(value + (nearest(plane, q) * q - value).detach() if hard else value)
                indices.append((k.flatten(0, 2), p.flatten(0, 2)))
            decoded = coefficients_to_pixels(values, parameters.sampling, *pixels.shape[-2:], exact=hard)
            loss = loss_of(decoded)
            if rate:
                bits = entropy(*indices[0]) + entropy(*(torch.cat(x) for x in zip(*indices[1:], strict=True)))
                for table, members in enumerate((planes[:1], planes[1:])):
                    dc = torch.cat([dc_differences(p, parameters.sampling, table) for p in members])
                    bits = bits + difference_bits(dc, steps[table, 0, 0])
                loss = loss + RATE_WEIGHT * bits / pixels[:, 0].numel()
            loss.backward()
            return decoded.detach(), steps.grad

        return step

    return make


CONTENDERS: dict[str, Contender] = {
    "j4d soft": ours("soft", False),
    "j4d hard": ours("hard", False),
    "windows": windows(False),
    "Kornia": kornia(),
    "j4d soft + rate": ours("soft", True),
    "j4d hard + rate": ours("hard", True),
    "windows + rate": windows(True),
}


# -- measuring ----------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """What was measured of one contender: milliseconds a step, MiB, levels, relative gradient error."""

    name: str
    times: list[float]
    peak: float
    resident: float
    difference_max: float
    difference_mean: float
    gradient_error: float


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without standard error, on which PyTorch's profiler talks about itself."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def tensor_peak(call: Callable[[], object]) -> float:
    """MiB that tensors held at once during the call, from the CPU allocator's events."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with quiet(), torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        call()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return float(np.cumsum(sizes).max()) / 2**20


def resident_growth(name: str, images: np.ndarray, quality: int) -> float:
    """MiB by which one step makes a process grow, in a child forked before the parent has pages of its own to reuse."""
    import resource  # Unix only, like fork

    def work(sender: multiprocessing.connection.Connection) -> None:
        pixels = as_pixels(images)
        parameters = j4d.EncodingParameters.from_quality(quality, "4:2:0")
        step = CONTENDERS[name](parameters, pixels.device, pixels.dtype)
        step(pixels[:1, :, :32, :32].contiguous())  # libraries load on first use
        before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
        step(pixels)
        sender.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(sender,))
    child.start()
    sender.close()
    result = receiver.recv()
    child.join()
    return result


def memory_on_gpu(step: Step, pixels: Tensor) -> float:
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step(pixels)
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def milliseconds(step: Step, pixels: Tensor) -> float:
    if pixels.is_cuda:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step(pixels)
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end)
    started = perf_counter()
    step(pixels)
    return (perf_counter() - started) * 1e3


def libjpeg_decoded(images: np.ndarray, parameters: j4d.EncodingParameters, quality: int) -> Tensor:
    """(B, 3, H, W): the decode of the files that Pillow's libjpeg-turbo writes at this quality."""
    decoded = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=parameters.sampling)
        picture = Image.open(file)
        tables = [np.array(picture.quantization[i]).reshape(8, 8) for i in range(2)]
        assert (tables[0] == parameters.luma.steps).all() and (tables[1] == parameters.chroma.steps).all()
        decoded.append(np.asarray(picture.convert("RGB")))
    return torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).double()


def as_pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float()


def measure(
    images: np.ndarray, quality: int, repeats: int, device: torch.device, resident: dict[str, float]
) -> list[Row]:
    """Every contender on one batch of uint8 images (B, H, W, 3)."""
    parameters = j4d.EncodingParameters.from_quality(quality, "4:2:0")
    pixels = as_pixels(images).to(device)
    expected = libjpeg_decoded(images, parameters, quality)
    exact_pixels = pixels.double()
    rows, steps = [], {}
    for name, make in CONTENDERS.items():
        step = steps[name] = make(parameters, device, pixels.dtype)
        decoded, gradient = step(pixels)
        difference = (decoded.cpu().double() - expected).abs()
        truth = windows("rate" in name, "hard" in name)(parameters, device, torch.float64)(exact_pixels)[1]
        error = ((gradient - truth).norm() / truth.norm()).item()
        peak = memory_on_gpu(step, pixels) if pixels.is_cuda else tensor_peak(lambda: step(pixels))  # noqa: B023
        rows.append(
            Row(
                name,
                [],
                peak,
                resident.get(name, float("nan")),
                difference.max().item(),
                difference.mean().item(),
                error,
            )
        )
    for _ in range(repeats):
        for row in rows:
            row.times.append(milliseconds(steps[row.name], pixels))
    return rows


# -- photographs and the table ------------------------------------------------------------------------------------


def photographs(count: int, height: int, width: int) -> np.ndarray:
    """Crops of photographs in scikit-image's wheel, uint8 (count, height, width, 3)."""
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    names = ("motorcycle_left.png", "astronaut.png", "coffee.png", "rocket.jpg", "chelsea.png")
    crops = []
    for i in range(count):
        photo = np.asarray(Image.open(folder / names[i % len(names)]).convert("RGB"))
        top, left = (
            (size - crop) * (1 + i // len(names)) // 3
            for size, crop in zip(photo.shape[:2], (height, width), strict=True)
        )
        crops.append(photo[top : top + height, left : left + width])
    return np.stack(crops)


def table(rows: list[Row]) -> str:
    """A Markdown table; ratios are how many times a rival's figure is that of the row."""
    kornia_row = next(r for r in rows if r.name == "Kornia")
    lines = [
        "| | ms, median [quartiles] | Kornia / it | windows / it | peak MiB | Kornia / it | windows / it | RSS MiB "
        "| max, mean level off libjpeg-turbo | gradient |",
        "| --- |" + " ---: |" * 9,
    ]
    for row in rows:
        window = next(r for r in rows if r.name == ("windows + rate" if "rate" in row.name else "windows"))
        quarter, median, three_quarters = np.percentile(row.times, (25, 50, 75))
        cells = [
            row.name,
            f"{median:.1f} [{quarter:.1f}, {three_quarters:.1f}]",
            *(f"{np.median(other.times) / median:.1f}x" for other in (kornia_row, window)),
            f"{row.peak:.1f}",
            *(f"{other.peak / row.peak:.1f}x" for other in (kornia_row, window)),
            f"{row.resident:.0f}",
            f"{row.difference_max:.3g}, {row.difference_mean:.2g}",
            "its own" if row is kornia_row else f"{row.gradient_error:.0e}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one small batch, few repetitions, under 20 seconds")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quality", type=int, default=50, help="IJG quality of the Annex K tables")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    shapes = [(2, 96, 112)] if arguments.smoke else [(8, 224, 224), (1, 500, 741)]
    repeats = 3 if arguments.smoke else arguments.repeats

    print(f"$ python {' '.join(sys.argv)}")
    print(f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else processor() + ', 1 thread'}")
    versions = f"torch {torch.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, j4d {j4d.__version__}"
    print(f"{versions}; 4:2:0, quality {arguments.quality}, kappa {SHARPNESS:g}, {repeats} repetitions")
    batches = [photographs(*shape) for shape in shapes]
    names = CONTENDERS if device.type == "cpu" else ()
    resident = [{name: resident_growth(name, images, arguments.quality) for name in names} for images in batches]
    correct = True
    for (count, height, width), images, growth in zip(shapes, batches, resident, strict=True):
        rows = measure(images, arguments.quality, repeats, device, growth)
        print(f"\n{count} x 3 x {height} x {width}\n\n{table(rows)}", flush=True)
        for row in rows:
            if "hard" in row.name:
                correct &= row.difference_max == 0
            if row.name != "Kornia":
                correct &= row.gradient_error < 0.02
    print("\n" + ("correct" if correct else "NOT CORRECT: see the last two columns"))
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
