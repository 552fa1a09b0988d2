# SPDX-License-Identifier: Apache-2.0
"""Depth images as image_transport's compressedDepth sends them, whole and damaged."""

import io
import struct
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wall_oss_ros.perception import rvl
from wall_oss_ros.perception.compressed_depth import compressed_counts, is_compressed, parsed_format
from wall_oss_ros.perception.depth import DepthError, millimetres

A, B = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0  # as the plugin has them of a quantisation of 100, up to 10 m
HEADER = struct.pack("<iff", 0, A, B)
# cv2.imencode(".png", ...) of OpenCV 5.0.0 of 500, 800, ... 3800, in three rows of four.
OPENCV = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000004000000031000000000c10f2d590000002349444154081d6364fcc2a4c3a8c3a8c3c8b684"
    "518751874987913b845187518751070038b1039924d282330000000049454e44ae426082"
)


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def packed(values: np.ndarray) -> bytes:
    """RVL, number by number, with columns and rows before it."""
    nibbles, flat, at, before = [], values.astype(int).ravel(), 0, 0

    def write(number):
        while True:
            part, number = number & 7, number >> 3
            nibbles.append(part | (8 if number else 0))
            if not number:
                return

    while at < len(flat):
        empty = next((i for i, one in enumerate(flat[at:]) if one), len(flat) - at)
        some = flat[at + empty :]
        full = next((i for i, one in enumerate(some) if not one), len(some))
        write(empty)
        write(full)
        for one in some[:full]:
            step, before = int(one) - before, int(one)
            write(2 * step if step >= 0 else -2 * step - 1)
        at += empty + full
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{one:x}" for one in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack(f"<II{len(words)}I", values.shape[1], values.shape[0], *words)


def message(data: bytes, form: str = "16UC1; compressedDepth png") -> SimpleNamespace:
    return SimpleNamespace(format=form, data=data)


def read(data: bytes, form: str = "16UC1; compressedDepth png") -> np.ndarray:
    return millimetres(*compressed_counts(message(data, form)))


def scene(rows=48, columns=64) -> np.ndarray:
    """A slope with noise, holes and an edge, mm."""
    rng = np.random.default_rng(0)
    values = 600 + 8 * np.arange(rows)[:, None] + rng.integers(-3, 4, (rows, columns))
    values[10:20, 30:50] = 450
    values[rng.random((rows, columns)) < 0.1] = 0
    return values.astype(np.uint16)


PACKINGS = {"png": png, "rvl": packed}
FORMATS = [
    ("png", "16UC1; compressedDepth png"), ("png", "16UC1; compressedDepth"), ("png", "16UC1"),
    ("png", "16UC1;compressedDepth png"), ("rvl", "16UC1; compressedDepth rvl"), ("rvl", "16UC1;compressedDepth rvl"),
]  # fmt: skip


@pytest.mark.parametrize("packing, form", FORMATS)
def test_millimetres_come_as_they_were(packing, form):
    assert np.array_equal(read(HEADER + PACKINGS[packing](scene()), form), scene())


def test_what_opencv_writes_is_read():
    assert read(HEADER + OPENCV).tolist() == [
        [500, 800, 1100, 1400],
        [1700, 2000, 2300, 2600],
        [2900, 3200, 3500, 3800],
    ]


def test_a_png_without_header_is_read():
    """As the plugin `compressed` sends 16UC1."""
    assert np.array_equal(read(png(scene()), "16UC1; png compressed "), scene())


@pytest.mark.parametrize("packing", PACKINGS)
def test_inverse_distances_of_32FC1(packing):
    metres = np.array([[0.4, 0.7, 1.0, 2.0], [3.0, 5.0, 9.9, np.nan]], np.float32)
    counts = np.nan_to_num(A / metres + B, nan=0.0).astype(np.uint16)
    found, scale = compressed_counts(message(HEADER + PACKINGS[packing](counts), f"32FC1; compressedDepth {packing}"))
    assert scale == 1000.0 and np.isnan(found[1, 3])
    step = metres**2 / A  # by which the distance changes with the next count
    assert (np.abs(found - metres) <= 1.01 * step)[~np.isnan(metres)].all()


def test_counts_that_no_distance_gives_are_nothing():
    """65535 / 1 is farther than any camera sees; a B that is a count leads to infinity and beyond."""
    counts = np.array([[0, 1, 40, 41, 39]])
    header = struct.pack("<iff", 0, 1.0, 40.0)
    assert read(header + png(counts), "32FC1; compressedDepth png").tolist() == [[0, 0, 0, 1000, 0]]


def test_rvl_by_hand():
    """2 zeros, 2 others: 5 and 6; 1 zero, 1 other: 7. Differences 5, 1, 1 are folded to 10 (A and 1), 2 and 2."""
    assert rvl.decoded(bytes.fromhex("1221a122"), 6).tolist() == [0, 0, 5, 6, 0, 7]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_any_image_comes_as_it_was_by_rvl(rows, columns, data):
    values = data.draw(st.lists(st.sampled_from([0, 1, 7, 8, 500, 501, 65535]) | st.integers(0, 65535),
                                min_size=rows * columns, max_size=rows * columns))  # fmt: skip
    image = np.array(values, np.uint16).reshape(rows, columns)
    found, _ = compressed_counts(message(HEADER + packed(image), "16UC1; compressedDepth rvl"))
    assert np.array_equal(found, image)


def test_rvl_of_many_blocks(monkeypatch):
    monkeypatch.setattr(rvl, "_BLOCK", 8)
    assert np.array_equal(read(HEADER + packed(scene(12, 16)), "16UC1; compressedDepth rvl"), scene(12, 16))


# What is no depth image.


@pytest.mark.parametrize("form", [
    "", "16UC1; compressedDepth jpeg", "16UC1; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8", "jpeg", "png",
    "8UC1; compressedDepth png", "16UC3; compressedDepth png", "16UC1; compressedDepth png; more", "x" * 10_000,
    "32FC1; png compressed 16UC1",
])  # fmt: skip
def test_other_formats_are_refused_in_words(form):
    with pytest.raises(DepthError, match="has no distances") as refused:
        compressed_counts(message(HEADER + png(scene()), form))
    assert len(str(refused.value)) < 300


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def claims(columns: int, rows: int, bits: int = 16, colours: int = 0, interlaced: int = 0) -> bytes:
    """A PNG with ten bytes of pixels, whatever it says."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, colours, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "0 bytes"),
        (HEADER[:11], "11 bytes"),
        (HEADER, "no PNG"),
        (HEADER + b"\xff\xd8\xff\xe0" + bytes(100), "no PNG"),
        (HEADER + OPENCV[:20], "no PNG"),
        (HEADER + claims(4, 3), "not have as many pixels"),
        (HEADER + claims(4, 1), "4 x 1 is damaged"),
        (HEADER + claims(4, 3, bits=8), "8 bits and colour type 0"),
        (HEADER + claims(4, 3, interlaced=1), "interlaced"),
        (HEADER + OPENCV[:60] + b"!" + OPENCV[61:], "checksum"),
        (HEADER + claims(4, 3, colours=2), "16 bits and colour type 2"),
        (HEADER + claims(0, 3), "0 x 3 pixels"),
        (HEADER + claims(2**31 - 1, 2**31 - 1), "pixels came"),
        (HEADER + claims(4000, 4000), "4000 x 4000 pixels"),
    ],
)
def test_png_that_is_none_is_refused_in_words(data, said):
    with pytest.raises(DepthError, match=said):
        compressed_counts(message(data))


def of(columns: int, rows: int, *words: int) -> bytes:
    return HEADER + struct.pack(f"<II{len(words)}I", columns, rows, *words)


@pytest.mark.parametrize(
    "data, said",
    [
        (HEADER + b"\x04\0\0\0\x03\0\0", "before its size"),
        (of(0, 4), "0 x 4 pixels"),
        (of(2**32 - 1, 2**32 - 1), "pixels came"),
        (of(4000, 4000, 0), "4000 x 4000"),
        (of(4, 3), "ends after 0"),
        (of(4, 3, 0), "runs that no image has"),  # of nothing, again and again
        (of(4, 3, 0x01201200), "runs that no image has"),  # others after others, without zeros in between
        (of(4, 3, 0x31000000), "ends after 4|runs that no image has"),
        (of(4, 3, 0x70000000, 0), "runs that no image has"),  # zeros after zeros
        (of(4, 3, 0x0F800000), "runs that no image has|ends"),
        (of(4, 3, 0xFFFFFFFF, 0xFFFFFFFF), "too large for any image"),
        (of(4, 3, 0x0FFFFFFF), "ends after 0"),
    ],
)
def test_rvl_that_is_none_is_refused_in_words(data, said):
    with pytest.raises(DepthError, match=said):
        compressed_counts(message(data, "16UC1; compressedDepth rvl"))


@pytest.mark.parametrize("a, b", [(float("nan"), 0.0), (0.0, 0.0), (-1.0, 0.0), (1.0, float("inf"))])
def test_a_formula_that_is_none_is_refused(a, b):
    with pytest.raises(DepthError, match="by which it was made"):
        compressed_counts(message(struct.pack("<iff", 0, a, b) + png(scene()), "32FC1; compressedDepth png"))


@pytest.mark.parametrize("packing", PACKINGS)
def test_whatever_is_cut_off_is_refused(packing):
    whole = HEADER + PACKINGS[packing](scene(6, 8))
    for length in range(len(whole) - 1 if packing == "png" else len(whole) - 8):
        with pytest.raises(DepthError):
            compressed_counts(message(whole[:length], f"16UC1; compressedDepth {packing}"))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PACKINGS)), st.sampled_from(["16UC1", "32FC1"]), st.integers(0, 2**32 - 1))
def test_whatever_is_damaged_raises_nothing_else(packing, encoding, seed):
    rng, data = np.random.default_rng(seed), bytearray(HEADER + PACKINGS[packing](scene(6, 8)))
    for at in rng.integers(len(data), size=rng.integers(1, 6)):
        data[at] = rng.integers(256)
    try:
        counts, scale = compressed_counts(message(bytes(data), f"{encoding}; compressedDepth {packing}"))
    except DepthError as error:
        assert 0 < len(str(error)) < 400
    else:
        assert counts.ndim == 2 and millimetres(counts, scale).dtype == np.uint16


def test_few_bytes_take_little_room():
    """Whatever size they claim; and many bytes for few pixels are not looked at."""
    bombs = {
        "png": [HEADER + claims(2**31 - 1, 2**31 - 1), HEADER + claims(60_000, 60_000)],
        "rvl": [of(2**32 - 1, 1, 0), of(3000, 3000, 0xFFFFFF70, 0), of(4, 3, *[0] * 500_000), of(3000, 3000)],
    }
    for packing, several in bombs.items():
        for data in several:
            tracemalloc.start()
            with pytest.raises(DepthError):
                compressed_counts(message(data, f"16UC1; compressedDepth {packing}"))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 3 * len(data) + 20_000_000


def test_runs_without_end_are_given_up(monkeypatch):
    """Pixels of something and of nothing in turn would take seconds."""
    turns = np.tile([500, 0], 100).reshape(10, 20)
    assert np.array_equal(read(HEADER + packed(turns), "16UC1; compressedDepth rvl"), turns)
    monkeypatch.setattr(rvl, "_MOST", 99)
    with pytest.raises(DepthError, match="runs that no image has"):
        read(HEADER + packed(turns), "16UC1; compressedDepth rvl")


@pytest.mark.parametrize("topic, expected", [
    ("/camera/depth/image_raw/compressedDepth", True), ("/camera/depth/image_raw/compressed", True),
    ("/camera/depth/image_raw", False), ("/compressedDepth/image_raw", False),
])  # fmt: skip
def test_a_topics_name_says_whether_it_is_compressed(topic, expected):
    assert is_compressed(topic) == expected


def test_formats_say_what_is_in_them():
    assert parsed_format("32FC1; compressedDepth rvl") == ("32FC1", "rvl")
    assert parsed_format("16UC1; compressedDepth ") == ("16UC1", "png")
