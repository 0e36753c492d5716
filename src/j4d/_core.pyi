"""The native core. Callers have checked values; shapes, sizes and types are checked here once more (ValueError,
TypeError). Order is natural (row-major) throughout. `sampling` is (components, horizontal, vertical): 1 or 3
components, and luma samples per chroma sample along each axis."""

import numpy as np
import numpy.typing as npt

Trellis = tuple[float, float, float, npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""mu, 0 for none; masking, infinite for none; mu of DC, 0 for none; weights of luma and of chroma, (8, 8) each."""

Limits = tuple[int, int, int, int]
"""Pixels, bytes of memory as `memory_needed` tells them, scans, segments."""

Transcoded = tuple[bytes, int, int, int, list[str], str]
"""The file without what follows the picture; height, width; bytes of the source up to its picture's end; what is odd
there and does no harm; the first damage that was tolerated, or nothing."""

class JpegError(ValueError): ...
class UnsupportedError(JpegError): ...

class Opened:
    """A file that was read once, to be transcoded more than once; its segments stay until a transcoder strips them."""

    def __init__(self, data: bytes, *, tolerate_damage: bool, limits: Limits) -> None:
        """Raises JpegError, UnsupportedError."""

class Transcoder:
    """Settings of transcoding. `sampling` None keeps the source's; otherwise as everywhere."""

    def __init__(
        self,
        *,
        luma: npt.NDArray[np.int32],
        chroma: npt.NDArray[np.int32],
        luma_dead_zones: npt.NDArray[np.float64],
        chroma_dead_zones: npt.NDArray[np.float64],
        sharpness: float,
        seed: int,
        sampling: tuple[int, int, int] | None,
        progressive: bool,
        strip: bool,
        tolerate_damage: bool,
        limits: Limits,
        trellis: Trellis,
    ) -> None: ...
    def one(self, data: bytes) -> Transcoded:
        """Raises JpegError, UnsupportedError."""

    def opened(self, source: Opened) -> Transcoded:
        """The same of a file that was read before. Raises JpegError, UnsupportedError."""

    def many(self, datas: list[bytes], threads: int) -> list[Transcoded | tuple[str, bool]]:
        """In order, or (reason, whether it is unsupported)."""

class MemoryGate:
    """What JPEG files under way may take together, in bytes as `memory_needed` tells them."""

    def __init__(self, limit: int) -> None: ...
    def enter(self, data: bytes) -> int:
        """Wait for room for this file; bytes to give back, 0 for one that is damaged or beyond the limit."""

    def leave(self, bytes: int) -> None: ...

def memory_needed(data: bytes) -> int:
    """Bytes that transcoding this JPEG file takes at most, by its header. Raises JpegError, UnsupportedError."""

kernels: str
"""The instruction set in use: portable, avx2 or avx512; J4D_KERNELS in the environment asks for one."""

def forward_dct(image: npt.NDArray[np.uint8], sampling: tuple[int, int, int]) -> list[npt.NDArray[np.int16]]:
    """(H, W, 3), or (H, W, 1) for one component, to 8 x coefficient, (By, Bx, 8, 8) per component."""

def quantize(
    coefficients: npt.NDArray[np.int16],
    steps: npt.NDArray[np.int32],
    dead_zones: npt.NDArray[np.float64],
    sharpness: float,
    seed: int,
    component: int,
) -> npt.NDArray[np.int16]:
    """8 x coefficient (By, Bx, 8, 8) to indices; infinite sharpness is the deterministic limit."""

def quantize_jointly(
    coefficients: list[npt.NDArray[np.int16]],
    steps: list[npt.NDArray[np.int32]],
    dead_zones: list[npt.NDArray[np.float64]],
    sampling: tuple[int, int, int],
    *,
    trellis: Trellis,
) -> list[npt.NDArray[np.int16]]:
    """8 x coefficient (By, Bx, 8, 8) of all components to the indices that the trellis chooses."""

def choose_dc_indices(indices: list[int], beyond: list[int], weight: int, lengths: bytes) -> list[int]:
    """DC indices of one component in the order of the file. beyond: u - k in 2^-10 steps. weight: of 2^-16 bits per
    squared step. lengths: of 256 codes by size, 0 for none."""

def choose_indices(indices: list[int], magnitudes: list[int], weights: list[int], lengths: bytes) -> list[int]:
    """One block through the trellis, in zigzag order. indices: 64. magnitudes: coefficients in 2^-10 steps, absolute.
    weights: 64 of 2^-16 bits per squared step. lengths: of 256 codes, 0 for none."""

def encode(
    image: npt.NDArray[np.uint8],
    tables: list[npt.NDArray[np.int32]],
    dead_zones: list[npt.NDArray[np.float64]],
    sharpness: float,
    sampling: tuple[int, int, int],
    seed: int,
    *,
    trellis: Trellis,
    progressive: bool,
    jfif: bool,
    restart_interval: int,
    markers: list[tuple[int, bytes]],
) -> bytes:
    """Pixels as in `forward_dct` to a JPEG file; a table and dead zones per component. Raises JpegError."""

def encode_many(
    images: list[npt.NDArray[np.uint8]],
    tables: list[npt.NDArray[np.int32]],
    dead_zones: list[npt.NDArray[np.float64]],
    sharpness: float,
    sampling: tuple[int, int, int],
    seeds: list[int],
    threads: int,
    *,
    trellis: Trellis,
    progressive: bool,
    jfif: bool,
    restart_interval: int,
    markers: list[tuple[int, bytes]],
) -> list[bytes | str]:
    """`encode` of each image with its seed, in order; where an image makes no file, why, as a string."""

def write(
    planes: list[npt.NDArray[np.int16]],
    tables: list[npt.NDArray[np.int32]],
    sampling: tuple[int, int, int],
    height: int,
    width: int,
    *,
    progressive: bool,
    jfif: bool,
    restart_interval: int,
    markers: list[tuple[int, bytes]],
) -> bytes:
    """Indices (By, Bx, 8, 8) per component to a JPEG file. Raises JpegError."""

def read(
    data: bytes, *, max_pixels: int, max_scans: int
) -> tuple[tuple[npt.NDArray[np.int16], ...], tuple[npt.NDArray[np.int32], ...], tuple[int, int, int], int, int]:
    """A JPEG file to (planes, tables, sampling, height, width). Raises JpegError."""

def uniform(seed: int, component: int, block: int, frequency: int) -> float:
    """The number in (0, 1) that decides the index of one coefficient."""

def code_lengths(counts: npt.NDArray[np.uint64]) -> bytes:
    """Lengths of the Huffman code that a file would hold for 256 symbols that occur `counts` times; 0 for none."""
