# SPDX-License-Identifier: Apache-2.0
"""A policy server in a thread, clients of the tests' own, and a policy that does as it is told."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

import msgpack
import numpy as np
from websockets.sync.client import connect

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.serving.keys import Keys
from wall_oss_ros.serving.server import PolicyServer, ServerSettings

FRANKA = load_profile("franka")
LAYOUT = Layout(FRANKA)
INSTRUCTION = "put the red cube in the left tray"
STATE = np.array([0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 0.08], np.float32)


def pack(message) -> bytes:
    """As openpi's client packs."""
    return msgpack.packb(message, default=_array)


def _array(value):
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}


def unpack(data: bytes):
    """As openpi's client unpacks."""

    def hook(found):
        if b"__ndarray__" in found:
            return np.ndarray(buffer=found[b"data"], dtype=np.dtype(found[b"dtype"]), shape=found[b"shape"])
        return np.dtype(found[b"dtype"]).type(found[b"data"]) if b"__npgeneric__" in found else found

    return msgpack.unpackb(data, object_hook=hook)


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def request(**changes) -> dict:
    """What a client with openpi's names asks a Franka with two cameras."""
    message = {
        "observation/image": picture(0),
        "observation/wrist_image": picture(1),
        "observation/state": STATE,
        "prompt": INSTRUCTION,
    }
    return {key: value for key, value in {**message, **changes}.items() if value is not None}


class Refused(Exception):
    """The server's words instead of an answer."""


class Client:
    """A connection; ``ask`` is openpi's ``infer``."""

    def __init__(self, port: int, **options):
        self.connection = connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None, **options)
        self.metadata = unpack(self.connection.recv(timeout=60))

    def ask(self, message) -> dict:
        self.send(message)
        return self.take()

    def send(self, message) -> None:
        self.connection.send(message if isinstance(message, (bytes, str)) else pack(message))

    def take(self) -> dict:
        answer = self.connection.recv(timeout=60)
        if isinstance(answer, str):
            raise Refused(answer)
        return unpack(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class Puppet:
    """In the place of a policy: moves the tool by as many cm along x as its instruction has words.

    Attributes:
        gate: acts wait until it is set.
        acted: (instruction, options) of each act, in order.
    """

    horizon, rate_hz, image_size, robot, checkpoint = 4, 10.0, None, "franka", "puppet@0"
    views = ["face_view"]
    fast = None
    dof_mask = LAYOUT.mask
    answers = ["reach", "reach", "reach"]
    judges_plans = lists_instructions = False

    def __init__(self):
        self.gate, self.acted, self.entered = threading.Event(), [], threading.Semaphore(0)
        self.gate.set()

    def unknown_words(self, text):
        return ["florp"] if "florp" in text else []

    def understood(self, text, kind):
        return text, 'The model was not trained on "florp".' if "florp" in text else ""

    def act(self, obs, text, **options):
        self.acted.append((text, options))
        self.entered.release()
        assert self.gate.wait(60)
        if text == "fail":
            raise RuntimeError("out of memory")
        moves = np.zeros((self.horizon, LAYOUT.size), np.float32)
        moves[:, LAYOUT.position.start] = 0.01 * len(text.split()) * np.arange(1, self.horizon + 1)
        moves[:, LAYOUT.gripper] = 0.04
        return moves

    def plan(self, obs, text):
        return "reach\ngrasp it"

    def reason(self, obs, text):
        return self.answers.pop(0) if self.answers else "done"

    def ask(self, obs, text):
        return f"{text}? yes"


@contextmanager
def serving(policy, profile=FRANKA, keys: Keys = Keys(), **settings):
    """The port of a running server."""
    server = PolicyServer(policy, profile, keys, ServerSettings(ports=(0,), **settings))
    ready, ports, loop = threading.Event(), [], asyncio.new_event_loop()
    stop = asyncio.Event()

    def started(found):
        ports.extend(found)
        ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(server.run(started, stop)))
    thread.start()
    try:
        assert ready.wait(60)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        assert not thread.is_alive()
        loop.close()
        assert server.close()
