# SPDX-License-Identifier: Apache-2.0
"""Messages with arrays: what others pack is read, what could run code or fill the memory is refused."""

import pickle

import msgpack
import numpy as np
import pytest
import serving_support
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.serving import codec

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.zeros((0, 3), np.uint8),
    np.array(2.5),
    np.array([True, False]),
    np.arange(4, dtype=">i8"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("openpi", [True, False])
def test_arrays_come_back(array, openpi):
    message, form = codec.unpack(codec.pack({"a": {"b": array}, "t": "ü", "n": np.float32(1.5)}, openpi))
    assert form == openpi and message["t"] == "ü" and message["n"] == 1.5
    assert message["a"]["b"].dtype == array.dtype and np.array_equal(message["a"]["b"], array)


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_openpi_client_reads_and_is_read(array):
    assert np.array_equal(serving_support.unpack(codec.pack({"a": array}))["a"], array)
    assert np.array_equal(codec.unpack(serving_support.pack({"a": array}))[0]["a"], array)


def test_a_text_in_an_array_is_a_text():
    assert codec.unpack(serving_support.pack({"prompt": np.array("pick")}))[0] == {"prompt": "pick"}


def _array(**changes):
    fields = {b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": "<f4", b"shape": [2]}
    return msgpack.packb({"a": {**fields, **{key.encode(): value for key, value in changes.items()}}})


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


BAD = {
    "no msgpack": (b"\xc1", "not msgpack"),
    "empty": (b"", "not msgpack"),
    "cut off": (codec.pack({"a": np.zeros(100)})[:-1], "not msgpack"),
    "more behind": (codec.pack({}) + b"\x01", "not msgpack"),
    "a pickle": (pickle.dumps({"a": 1}), "msgpack"),
    "no dictionary": (msgpack.packb([1, 2]), "a dictionary was expected"),
    "keys of bytes": (msgpack.packb({b"a": 1}), "texts were expected as keys"),
    "keys of numbers": (msgpack.packb({1: 1}), "not msgpack"),
    "half a character": (msgpack.packb({"a": "\ud800"}, unicode_errors="surrogatepass"), "not UTF-8"),
    "objects": (_array(dtype="|O", data=pickle.dumps(Bomb())), "numbers were expected"),
    "records": (_array(dtype="f4,f4"), "numbers were expected"),
    "a program as type": (_array(dtype="(100000,)f8"), "numbers were expected"),
    "no type": (_array(dtype=["<f4"]), "array of type"),
    "nonsense as type": (_array(dtype="<f4}"), "array of type"),
    "complex": (_array(dtype="<c8"), "numbers were expected"),
    "negative side": (_array(shape=[-2]), "cannot be read"),
    "huge side": (_array(shape=[2**62, 2**62]), "8 bytes"),
    "side of no number": (_array(shape=[2.0]), "cannot be read"),
    "bytes do not fit": (_array(shape=[3]), "12 were expected"),
    "no data": (_array(data=None), "cannot be read"),
    "texts": (serving_support.pack({"a": np.array(["a", "b"])}), "numbers were expected, or one text"),
    "no characters": (_array(dtype="<U2", data=b"\xff" * 8, shape=[]), "one text"),
    "scalar of no number": (
        msgpack.packb({"a": {b"__npgeneric__": True, b"data": [], b"dtype": "<f4"}}),
        "as a number",
    ),
    "pickled array of msgpack-numpy": (
        msgpack.packb({"a": {b"nd": True, b"type": "O", b"kind": b"O", b"data": pickle.dumps(Bomb()), b"shape": [1]}}),
        "pickled",
    ),
    "extension": (msgpack.packb({"a": msgpack.ExtType(4, b"x")}), "extension"),
    "deep": (b"\x81\xa1a" * 5000 + b"\x01", "not msgpack"),
    "many maps": (msgpack.packb({"a": [{}] * 3000}), "dictionaries"),
    "many lists": (msgpack.packb({"a": [[[]] * 50_000]}), "lists"),
    "a long list": (msgpack.packb({"a": [None] * 200_000}), "not msgpack"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_messages_are_refused_in_words(case):
    data, words = case
    with pytest.raises(WallOSSError, match=words) as error:
        codec.unpack(data)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_messages_never_raise_anything_else(data):
    message = bytearray(
        serving_support.pack({"a": np.zeros((2, 2), np.uint8), "b": [1.5, "x"], "c": {"d": np.float32(1)}})
    )
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        found, _ = codec.unpack(bytes(message))
        assert isinstance(found, dict)
    except WallOSSError:
        pass
