"""A volume, bit for bit, as bytes: lossless coding without a model.

Voxels are coded from coarse to fine (`coding.coarse_to_fine`), each as its difference from a
weighted sum of known neighbours, with weights that the encoder fits to every phase. Two things
come first: which voxels have one of at most two frequent values, such as the zeros outside a mask,
and which voxels repeat others, nearly or exactly, because the map is symmetric.

A stream is: number of frequent values, number of operations under which voxels repeat, 1 where the
volume goes on at its opposite faces and else 0 (uint8 each); the squared distance of the shells, -1
for none; the codes of the frequent values; the operations (number of the rotation, translation
z, y, x; all of these int32); 32-bit words of a range coder.
"""

from __future__ import annotations

import itertools

import numpy as np

from ...coding.adaptive_coding import Decoder, Encoder
from ...maps import voxel_types
from ...progress import Clock, Progress, Steps
from ...support.array_types import Float32Array
from ...symmetry.point_groups import MAX_TRANSLATION, ROTATIONS
from .repeats import NO_SHELLS, Repeats, shells_fit
from .volume_coding import VolumeCoder

_HEAD = 3
_SAMPLES = 200_000
_FREQUENT = 0.02  # share of the voxels from which a value is coded as a mask
_PERIODIC = 1.2  # times the difference of neighbours, across opposite faces


def encode_steps(data: Float32Array, mode: int, repeats: Repeats, clock: Clock) -> Steps[bytes]:
    """Code finite densities, shape (z, y, x), that the MRC mode can hold exactly.

    `repeats` says which voxels repeat others, at least nearly.
    """
    data = np.ascontiguousarray(data, np.float32)
    frequent, periodic = _frequent_codes(data, mode), _is_periodic(data)
    encoder = Encoder()
    volume = VolumeCoder(encoder, data.shape, mode, data)
    for progress in volume.code_steps(frequent, repeats, periodic, clock):
        yield Progress(
            "lossless", progress.step, progress.steps, clock.seconds, bytes_so_far=encoder.size
        )
    head = bytes([len(frequent), len(repeats.operations), periodic])
    numbers = [repeats.shells, *frequent, *itertools.chain(*repeats.operations)]
    return head + np.array(numbers, "<i4").tobytes() + encoder.to_bytes()


def decode_steps(
    stream: bytes, shape: tuple[int, ...], mode: int, clock: Clock
) -> Steps[Float32Array]:
    """Decode what `encode_steps` made of a volume of this shape and mode.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such stream; AssertionError is what the range coder raises.
    """
    count, turns, periodic = stream[:_HEAD] if len(stream) >= _HEAD else (255, 0, 0)
    start = _HEAD + 4 * (1 + count + 4 * turns)
    if count > 2 or periodic > 1 or len(stream) < start:
        raise ValueError("no lossless stream")
    shells, *numbers = np.frombuffer(stream[_HEAD:start], "<i4").tolist()
    if shells < NO_SHELLS or (shells != NO_SHELLS and not shells_fit(shape)):
        raise ValueError("a lossless stream with impossible shells")
    operations = tuple(
        (n, z, y, x) for n, z, y, x in zip(*[iter(numbers[count:])] * 4, strict=True)
    )
    for number, *shift in operations:
        if not 0 <= number < len(ROTATIONS) or max(map(abs, shift)) > MAX_TRANSLATION:
            raise ValueError("a lossless stream with an impossible operation")
    decoder = Decoder(stream[start:])
    volume = VolumeCoder(decoder, shape, mode, None)
    yield from volume.code_steps(
        numbers[:count], Repeats(operations, shells), bool(periodic), clock
    )
    decoder.check_end()
    return volume.values


def _frequent_codes(data: Float32Array, mode: int) -> list[int]:
    """Return the codes of the at most two values that are very frequent."""
    sample = voxel_types.to_codes(data.reshape(-1)[:: max(1, data.size // _SAMPLES)], mode)
    codes, counts = np.unique(sample, return_counts=True)
    best = np.argsort(-counts, kind="stable")[:2]
    return [int(code) for code in codes[best][counts[best] > _FREQUENT * sample.size]]


def _is_periodic(data: Float32Array) -> bool:
    """Whether the volume goes on at all its opposite faces, as one from a Fourier transform."""
    for axis, n in enumerate(data.shape):
        if n < 8 or n % 2:
            return False
        planes = data.take([n - 2, n - 1, 0, 1], axis).astype(np.float64)
        others = tuple(a for a in range(3) if a != axis)
        inner, across, outer = np.abs(np.diff(planes, axis=axis)).mean(others)
        if not 0 < across < _PERIODIC * max(inner, outer):
            return False
    return True
