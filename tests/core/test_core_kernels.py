"""The vectorized inner loops compute what the plain formulas say, to the last coefficient, on every instruction set."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_indices import law, limit, uniforms
from golden_files import NAMES, golden

from j4d import _core

EVERY_INT16 = np.arange(-32768, 32768).astype(np.int16).reshape(32, 32, 8, 8)


@pytest.mark.parametrize("dead_zone", [0.0, 0.1, 0.25, 0.3, 1 / 3, 0.4999, 0.5])
def test_multiplication_is_division_for_every_coefficient_and_step(dead_zone: float) -> None:
    zones = np.full((8, 8), dead_zone)
    for step in range(1, 256):
        steps = np.full((8, 8), step, np.int32)
        expected = limit(EVERY_INT16 / (8.0 * step), dead_zone)
        assert np.array_equal(_core.quantize(EVERY_INT16, steps, zones, math.inf, 0, 0), expected), step


def test_multiplication_is_division_at_the_edges_of_any_dead_zone(rng: np.random.Generator) -> None:
    for _ in range(300):
        steps = rng.integers(1, 256, (8, 8)).astype(np.int32)
        zones = np.round(rng.uniform(0, 0.5, (8, 8)), rng.integers(1, 16))
        nth = rng.integers(0, 1 + 1000 // steps, (40, 1, 8, 8))
        edge = 8.0 * steps * (nth + 0.5 + zones)
        plane = np.clip(np.round(edge) + rng.integers(-1, 2, edge.shape), -32768, 32767).astype(np.int16)
        plane *= rng.choice(np.array([-1, 1], np.int16), plane.shape)
        assert np.array_equal(_core.quantize(plane, steps, zones, math.inf, 0, 0), limit(plane / (8.0 * steps), zones))


@pytest.mark.parametrize("sharpness", [0.05, 0.7, 2.0, 3.0, 5.4, 8.0, 25.0, 700.0, 1e5, 1e9, 1e300])
@pytest.mark.parametrize("dead_zone", [0.0, 0.21, 0.5])
def test_every_drawn_index_is_the_laws(sharpness: float, dead_zone: float, rng: np.random.Generator) -> None:
    blocks = 700
    for step in (1, 3, 16, 99, 255):
        steps, zones = np.full((8, 8), step, np.int32), np.full((8, 8), dead_zone)
        small = rng.normal(0, 8 * step, (blocks, 8, 8))
        ties = 8 * step * (rng.integers(-3, 4, small.shape) + 0.5)
        wide = rng.uniform(-8192, 8192, small.shape)
        kind = rng.integers(0, 8, small.shape)
        plane = np.where(kind == 0, wide, np.where(kind == 1, ties, small)).astype(np.int16)
        seed = int(rng.integers(0, 2**63))
        expected = law(plane / (8.0 * step), dead_zone, sharpness, uniforms(seed, 1, blocks))
        drawn = _core.quantize(plane.reshape(35, 20, 8, 8), steps, zones, sharpness, seed, 1)
        assert np.array_equal(drawn.reshape(plane.shape), expected), step


@pytest.mark.parametrize("sharpness", [0.05, 0.7, 4.0, 30.0])
def test_indices_at_the_end_of_their_range_are_drawn_by_the_law(sharpness: float, rng: np.random.Generator) -> None:
    blocks = 64
    for step in (1, 2, 3, 4):
        steps, zones = np.full((8, 8), step, np.int32), np.full((8, 8), 0.2)
        far = 8 * step * (1023 + rng.choice([-24, -3, -2, -1, 0, 1, 40], (blocks, 8, 8)) + rng.uniform(-1, 1))
        plane = (np.clip(far, 0, 32767) * rng.choice([-1, 1], far.shape)).astype(np.int16)
        seed = int(rng.integers(0, 2**63))
        expected = law(plane / (8.0 * step), 0.2, sharpness, uniforms(seed, 2, blocks))
        drawn = _core.quantize(plane.reshape(8, 8, 8, 8), steps, zones, sharpness, seed, 2)
        assert np.array_equal(drawn.reshape(plane.shape), expected), step


def test_the_formula_says_which_indices_are_around_what_is_almost_a_tie(rng: np.random.Generator) -> None:
    # Closer than the 1e-7 that integer thresholds allow for; at a small kappa all five indices matter.
    zone, key = 0.3 + 1e-9, 4
    steps, zones = np.full((8, 8), 5, np.int32), np.full((8, 8), zone)
    almost = (40 * rng.integers(0, 300, (200, 8, 8)) + 32) * rng.choice([-1, 1], (200, 8, 8))
    expected = law(almost / 40.0, zone, 0.05, uniforms(key, 0, 200))
    drawn = _core.quantize(almost.astype(np.int16).reshape(20, 10, 8, 8), steps, zones, 0.05, key, 0)
    assert np.array_equal(drawn.reshape(almost.shape), expected)


def test_words_close_to_one_half_may_choose_an_index_beyond_the_nearest() -> None:
    # Almost a tie of 0 and 1, in whose favour the 2 beyond it decides: the words from 0.496 on.
    steps, zones, plane = np.full((8, 8), 255, np.int32), np.full((8, 8), 0.5), np.full((1, 1, 8, 8), 2039, np.int16)
    for seed in range(300):
        expected = law(plane[0] / 2040.0, 0.5, 2.0, uniforms(seed, 0, 1))
        assert np.array_equal(_core.quantize(plane, steps, zones, 2.0, seed, 0)[0], expected), seed


def test_every_instruction_set_writes_the_same_files() -> None:
    code = (
        "import hashlib; from j4d import _core; from golden_files import NAMES, golden;"
        "print(_core.kernels, hashlib.sha256(b''.join(map(golden, NAMES))).hexdigest())"
    )
    lines = {}
    for name in ("portable", "avx2", "avx512"):
        environment = {**os.environ, "J4D_KERNELS": name, "PYTHONPATH": str(Path(__file__).parents[1])}
        output = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
        )
        used, digest = output.stdout.split()
        lines[used] = digest
    assert "portable" in lines and set(lines) <= {"portable", "avx2", "avx512"}
    assert len(set(lines.values())) == 1, lines
    assert len(b"".join(map(golden, NAMES))) > 0
