"""Small evaluations with known figures, for tests of the report page: no model runs, no file is encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from profiles import default_profile

from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.evaluation.curve import CodecResult
from j4d.evaluation.results import Evaluation
from j4d.jpeg.parameters import EncodingParameters, Quantization
from j4d.profile.profile import OperatingPoint, Profile

IMAGES = 40
PIXELS = 48 * 64


def profile() -> Profile:
    """A ladder with dead zones in its first point, so that both kinds of table occur."""
    plain = default_profile()
    first = plain.points[0]
    zones = np.full((8, 8), 0.12)
    zones[0, 0] = 0
    p = first.parameters
    zoned = EncodingParameters(
        Quantization(p.luma.steps, zones), Quantization(p.chroma.steps, zones / 2), p.sampling, None
    )
    return Profile("ladder", (OperatingPoint(zoned, first.estimated_bpp), *plain.points[1:]), plain.provenance)


def result(name: str, config: dict[str, Any], settings: tuple[Any, ...], share: float, seed: int) -> CodecResult:
    """Measurements on a smooth curve; `share` scales the bytes."""
    rng = np.random.default_rng(seed)
    count = len(settings)
    rates = np.geomspace(0.2, 3, count)[:, None] * rng.uniform(0.8, 1.2, IMAGES)
    right = np.linspace(0.3, 0.9, count)
    luck = np.random.default_rng(0).random(IMAGES)
    loss = np.linspace(3, 0.2, count)[:, None] * (0.5 + luck)
    return CodecResult(
        name=name,
        settings=settings,
        estimated_bpp=tuple(float(r) for r in share * rates.mean(axis=1) * 1.02)
        if "parameters" in config
        else (None,) * count,
        bytes=np.rint(share * rates * PIXELS / 8).astype(np.int64),
        metrics={
            "top1": (luck < right[:, None]).astype(float),
            "agreement": (luck < right[:, None]).astype(float),
            "cross_entropy": loss,
            "kl": 0.8 * loss,
        },
        config=config,
    )


def evaluation(
    *,
    name: str = "ladder",
    model: str = "zoo:net",
    share: float = 0.8,
    extra: int = 0,
    record: dict[str, Any] | None = None,
) -> Evaluation:
    """Default JPEG, a learned codec of `share` times its bytes, and `extra` rivals."""
    qualities = (5, 10, 20, 40, 60, 80)
    default = DefaultJPEG(qualities)
    learned = LearnedJPEG(profile(), name=name)
    rivals = (result(f"rival {i}", {"id": "rival"}, ("low", "high"), 0.9, i) for i in range(extra))
    return Evaluation(
        pixels=np.full(IMAGES, PIXELS),
        uncompressed={
            "top1": np.ones(IMAGES),
            "agreement": np.ones(IMAGES),
            "cross_entropy": np.full(IMAGES, 0.1),
            "kl": np.zeros(IMAGES),
        },
        codecs=(
            result("default JPEG", default.get_config(), qualities, 1.0, 7),
            result(name, learned.get_config(), learned.settings, share, 7),
            *rivals,
        ),
        record={"model": model, "data": "photos/test", "protocol": "stored-size", "seed": 0, **(record or {})},
        resamples=60,
    )


def smooth(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A small picture of waves with noise, uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([128 + 90 * np.sin(x / 9 + c + seed) * np.cos(y / 7 - c) for c in range(3)], axis=-1)
    return np.clip(waves + np.random.default_rng(seed).normal(0, 12, waves.shape), 0, 255).astype(np.uint8)
