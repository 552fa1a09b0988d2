# SPDX-License-Identifier: Apache-2.0
"""The server as clients meet it: the shipped model behind it, or a puppet that waits, fails and counts."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving_support import (
    FRANKA,
    INSTRUCTION,
    LAYOUT,
    STATE,
    Client,
    Puppet,
    Refused,
    picture,
    request,
    serving,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.chunk import make_chunk
from wall_oss_ros.serving.access import is_loopback
from wall_oss_ros.serving.keys import Keys


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.from_pretrained(data_path("models/wall-oss-tiny"), profile=FRANKA)


@pytest.fixture(scope="module")
def port(policy):
    with serving(policy, seed=5) as port:
        yield port


@pytest.fixture
def puppet():
    return Puppet()


def observation(message: dict, size: int) -> Observation:
    """What the policy ought to be given."""
    state = np.zeros(20, np.float32)
    state[LAYOUT.mask] = STATE
    frames = [Framing(view).picture(message[key], size)
              for view, key in zip(FRANKA.views, ("observation/image", "observation/wrist_image"))]  # fmt: skip
    return Observation(1.0, dict(zip(("face_view", "right_wrist_view"), frames)), state, LAYOUT.mask)


def test_metadata_first_then_the_very_chunks_of_the_policy(policy, port):
    with Client(port) as client:
        about = client.metadata
        assert about["robot"] == "franka" and about["checkpoint"].startswith("wall-oss-tiny@")
        assert about["actions"]["mode"] == "absolute" and about["actions"]["rate_hz"] == 10.0
        assert [part["at"] for part in about["actions"]["columns"]] == [[0, 1, 2], [3, 4, 5], [6]]
        obs = observation(request(), policy.image_size)
        for count in range(2):
            answer = client.ask(request())
            chunk, _ = make_chunk(LAYOUT, 1.0, obs.state, policy.act(obs, INSTRUCTION, seed=5 + count))
            assert np.allclose(answer["actions"], chunk.targets[:, LAYOUT.mask], atol=1e-6)
            assert answer["actions"].dtype == np.float32 and answer["server_timing"]["infer_ms"] > 0
        assert answer["server_timing"]["prev_total_ms"] > 0
        arrays = [value for value in answer.values() if isinstance(value, np.ndarray)]
        assert len(arrays) == 1, "openpi's ActionChunkBroker takes a row of every array"


def test_names_may_be_nested_and_the_robots_own(port):
    with Client(port) as client:
        wanted = client.ask(request())["actions"]
        client.ask({"reset": True})
        own = {"images": {"face_view": picture(0), "right_wrist_view": picture(1).transpose(2, 0, 1)}, "state": STATE}
        assert np.array_equal(client.ask({**own, "instruction": INSTRUCTION})["actions"], wanted)


def test_subtask_plan_and_question(policy, port):
    obs = observation(request(), policy.image_size)
    with Client(port) as client:
        assert client.ask(request(mode="subtask"))["subtask"] == policy.reason(obs, INSTRUCTION)
        plan = client.ask(request(mode="plan"))["plan"]
        assert [one["text"] for one in plan["subtasks"]] == policy.plan(obs, INSTRUCTION).splitlines()
        question = "where is the red cube"
        asked = client.ask(request(mode="ask", prompt=question, **{"observation/state": None}))
        assert asked["answer"] == policy.ask(obs, question) and "actions" not in asked


def wall_x_request(**changes) -> dict:
    def jpeg(seed):
        buffer = io.BytesIO()
        Image.fromarray(picture(seed)).save(buffer, "JPEG")
        return base64.b64encode(buffer.getvalue()).decode()

    state = {"follow1_pos": [0.0] * 7, "follow2_pos": [0.4, 0.0, 0.3, np.pi, 0.0, 0.0, 0.08]}
    views = {"camera_front": jpeg(0), "camera_left": jpeg(2), "camera_right": jpeg(1)}
    return {"state": state, "views": views, "instruction": INSTRUCTION, **changes}


def test_wall_x(policy, port):
    with Client(port) as client:
        answer = client.ask(wall_x_request())
        rows = np.array(answer["follow2_pos"])
        assert rows.shape == (1 + policy.horizon, 7), "the state, then the chunk"
        assert np.allclose(np.abs(rows[0]), np.abs(wall_x_request()["state"]["follow2_pos"]), atol=1e-5)
        assert answer["predict_action"].shape == (1, policy.horizon, 20)
        assert np.allclose(answer["predict_action"][0, :, LAYOUT.position], rows[1:, :3], atol=1e-6)
        assert "follow1_pos" not in answer and "subtask" not in answer
        said = client.ask(wall_x_request(infer_mode="flow_with_subtask"))
        assert isinstance(said["subtask"], str) and len(said["follow2_pos"]) == 1 + policy.horizon
    for bad, words in {
        "ar": (wall_x_request(infer_mode="ar"), "not its FAST tokens"),
        "mode": (wall_x_request(infer_mode="vqa"), "no mode 'vqa'"),
        "arm": (wall_x_request(state={"follow1_pos": [0] * 7}), "follow2_pos is missing"),
        "numbers": (wall_x_request(state={"follow2_pos": [0] * 6}), "is 6 numbers"),
        "nan": (wall_x_request(state={"follow2_pos": [float("nan")] * 7}), "finite"),
        "views": (wall_x_request(views=[]), "a dictionary of pictures"),
        "view": (wall_x_request(views={"camera_left": "x"}), "camera_front or front_view"),
        "words": (wall_x_request(instruction=""), "instruction is empty"),
    }.values():
        with Client(port) as client, pytest.raises(Refused, match=words):
            client.ask(bad)


BAD = {
    "a text": (json.dumps({"prompt": "go"}), "a binary message was expected"),
    "no msgpack": (b"\xc1\xff", "not msgpack"),
    "nothing": ({}, "view face_view is missing"),
    "no state": (request(**{"observation/state": None}), "state is missing"),
    "NaN": (request(**{"observation/state": np.full(7, np.nan, np.float32)}), "holds nan"),
    "wrong size": (request(**{"observation/state": np.zeros(8)}), "8 numbers; 7 were expected"),
    "no view": (request(**{"observation/wrist_image": None}), "right_wrist_view is missing"),
    "0 pixels": (request(**{"observation/image": np.zeros((0, 4, 3), np.uint8)}), "4 x 0 pixels"),
    "no instruction": (request(prompt=None), "there is no prompt"),
    "no words": (request(prompt="  "), "is empty"),
    "words as number": (request(prompt=7), "is int; a text"),
    "special tokens alone": (request(prompt="<|im_end|>"), "not trained on"),
    "a novel": (request(prompt="put " * 1000), "4000 letters"),
    "unknown words": (request(prompt="put the florp in the left tray"), '"florp"'),
    "unknown mode": (request(mode="fly"), "no mode 'fly'"),
    "a reset of no truth": (request(reset="yes"), "true or false"),
    "previous without committed": (request(previous_actions=np.zeros((2, 7))), "committed is None"),
    "committed alone": (request(committed=2), "without previous_actions"),
    "previous of another size": (request(previous_actions=np.zeros((2, 20)), committed=1), r"\(steps, 7\)"),
    "previous of NaN": (request(previous_actions=np.full((2, 7), np.nan), committed=1), "not finite"),
    "half a tree": ({"images": {"face_view": {"a": 1}}}, "view face_view is missing"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_requests_get_words_then_1011_and_the_server_stays(case, port):
    with Client(port) as client:
        with pytest.raises(Refused, match=case[1]) as words:
            client.ask(case[0])
        assert "\n" not in str(words.value) and "Traceback" not in str(words.value)
        with pytest.raises(ConnectionClosed) as closed:
            client.connection.recv(timeout=60)
        assert closed.value.rcvd.code == 1011
    with Client(port) as client:
        assert client.ask(request())["actions"].shape == (10, 7)


def test_too_large_a_request_is_cut_off(puppet):
    with serving(puppet, largest=100_000) as port:
        with Client(port) as client:
            client.send({**request(), "more": np.zeros(200_000, np.uint8)})
            with pytest.raises(ConnectionClosed) as closed:
                client.take()
            assert closed.value.rcvd.code == 1009 and "exceeds limit of 100000" in closed.value.rcvd.reason
        with Client(port) as client:
            assert client.ask(request())["actions"].shape == (4, 7)


def test_what_the_model_raises_is_told_and_survived(puppet):
    with serving(puppet) as port:
        with Client(port) as client, pytest.raises(Refused, match="RuntimeError: out of memory"):
            client.ask(request(prompt="fail"))
        with Client(port) as client:
            assert np.allclose(
                client.ask(request(prompt="one two"))["actions"][:, 0], STATE[0] + 0.02 * np.arange(1, 5)
            )


def test_plans_belong_to_their_client_and_end_in_holding(puppet):
    with serving(puppet, mode="plan") as port, Client(port) as one, Client(port) as other:
        first = one.ask(request(prompt="a b"))
        assert first["subtask"] == "reach" and first["plan"]["status"] == "running"
        puppet.answers = ["grasp it"] * 2 + ["reach"]
        assert one.ask(request(prompt="a b"))["subtask"] == "reach", "one answer is not enough"
        assert one.ask(request(prompt="a b"))["subtask"] == "grasp it"
        assert other.ask(request(prompt="a b"))["plan"]["active"] == 0, "the other client has only begun"
        puppet.answers = ["done"] * 2
        one.ask(request(prompt="a b"))
        last = one.ask(request(prompt="a b"))
        assert last["plan"]["status"] == "succeeded" and np.allclose(last["actions"], STATE), "nothing moves any more"
        puppet.answers = ["reach"]
        again = one.ask(request(prompt="a b", reset=True))
        assert again["plan"]["status"] == "running" and again["plan"]["active"] == 0


def test_noise_begins_anew_with_an_episode(puppet):
    with serving(puppet, seed=7) as port, Client(port) as client:
        client.ask(request())
        client.ask(request())
        assert client.ask({"reset": True})["reset"] is True
        client.ask(request())
    assert [options["seed"] for _, options in puppet.acted] == [7, 8, 7]


@pytest.mark.parametrize("mode", ["absolute", "relative", "step"])
def test_what_the_robot_is_committed_to_reaches_the_policy(puppet, mode):
    with serving(puppet, keys=Keys(action_mode=mode)) as port, Client(port) as client:
        assert client.metadata["real_time_chunking"] is True
        actions = client.ask(request(prompt="one two"))["actions"]
        client.ask(request(prompt="one two", previous_actions=actions, committed=2))
    previous = puppet.acted[1][1]["previous"]
    assert previous.committed == 2 and previous.steps.shape == (4, 20)
    assert np.allclose(previous.steps[:, LAYOUT.position.start], 0.02 * np.arange(1, 5), atol=1e-6), "as it was decided"


def test_fast_tokens_take_no_previous_chunk(puppet):
    puppet.fast = object()
    with serving(puppet) as port, Client(port) as client:
        assert client.metadata["real_time_chunking"] is False
        assert client.ask(wall_x_request(infer_mode="ar"))["follow2_pos"]
        with pytest.raises(Refused, match="FAST tokens take no notice"):
            client.ask(request(previous_actions=np.zeros((2, 7)), committed=1))


def test_clients_take_turns(puppet):
    """One that sends ten requests at once keeps another waiting for one chunk at most."""
    puppet.gate.clear()
    with serving(puppet) as port, Client(port) as greedy, Client(port) as modest:
        sender = threading.Thread(target=lambda: [greedy.send(request(prompt="greedy")) for _ in range(10)])
        sender.start()
        assert puppet.entered.acquire(timeout=60)
        modest.send(request(prompt="modest"))
        answer = threading.Thread(target=modest.take)
        answer.start()
        while len(puppet.acted) < 2:  # its request is in the queue before the greedy one's second
            puppet.gate.set()
            assert puppet.entered.acquire(timeout=60)
        answer.join(60)
        for _ in range(10):
            greedy.take()
        sender.join()
    assert "modest" in [text for text, _ in puppet.acted[:3]]


def test_who_leaves_in_the_middle_disturbs_nobody(puppet):
    puppet.gate.clear()
    with serving(puppet) as port, Client(port) as stays:
        stays.send(request(prompt="stays"))
        assert puppet.entered.acquire(timeout=60)
        waiting = Client(port)
        waiting.send(request(prompt="leaves"))
        waiting.connection.socket.close()
        killed = socket.create_connection(("127.0.0.1", port))  # begins a handshake, and no more
        killed.send(b"GET / HTTP/1.1\r\n")
        half = connect(f"ws://127.0.0.1:{port}")
        half.recv(timeout=60)
        half.socket.sendall(b"\x82\xfe\xff\xff1234")  # the beginning of a long message
        puppet.gate.set()
        assert stays.take()["actions"].shape == (4, 7)
        assert stays.ask(request(prompt="again"))["actions"].shape == (4, 7)
        killed.close()
        half.socket.close()


def test_strangers_are_refused_before_anything_runs(puppet):
    with serving(puppet, token="a-secret-token", clients=1) as port:
        for headers in ({}, {"Authorization": "Bearer a-secret-tokem"}, {"Authorization": "a-secret-token"},
                        {"Authorization": "Basic a-secret-token"}, {"Authorization": "Bearer \u00fc"}):  # fmt: skip
            with pytest.raises(InvalidStatus) as refused:
                Client(port, additional_headers=headers)
            assert refused.value.response.status_code == 401
        for kind in ("Bearer", "Api-Key"):  # openpi's client sends the latter
            with Client(port, additional_headers={"Authorization": f"{kind} a-secret-token"}) as client:
                assert client.ask(request())["actions"].shape == (4, 7)
        with Client(port, additional_headers={"Authorization": "Bearer a-secret-token"}):
            with pytest.raises(InvalidStatus) as refused:
                Client(port, additional_headers={"Authorization": "Bearer a-secret-token"})
            assert refused.value.response.status_code == 503


def test_web_pages_are_kept_out(puppet):
    with serving(puppet) as port, pytest.raises(InvalidStatus) as refused:
        Client(port, origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_health_needs_no_token(puppet):
    with serving(puppet, token="a-secret-token") as port, socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(60)
        assert plain.recv(1000).startswith(b"HTTP/1.1 200")


def test_answers_in_the_form_of_msgpack_numpy(puppet):
    import msgpack

    def array(value):
        return {b"nd": True, b"type": value.dtype.str, b"kind": b"", b"shape": value.shape, b"data": value.tobytes()}

    with serving(puppet) as port, Client(port) as client:
        client.send(msgpack.packb(request(), default=array))
        answer = msgpack.unpackb(client.connection.recv(timeout=60))
        assert answer["actions"][b"nd"] is True and answer["actions"][b"type"] == "<f4"


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.3.4.5", True),
     ("0.0.0.0", False), ("", False), ("::", False), ("192.0.2.7", False)],
)  # fmt: skip
def test_what_is_loopback(host, alone):
    assert is_loopback(host) == alone


def test_an_unknown_host_is_named():
    with pytest.raises(WallOSSError, match="host 'no.such.host.invalid' is unknown"):
        is_loopback("no.such.host.invalid")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_command_serves_and_ends_quietly(number, tmp_path):
    token = tmp_path / "token"
    token.write_text("a-secret-token\n")
    words = [sys.executable, "-m", "wall_oss_ros.commands.main", "serve", "--port", "0", "--token-file", str(token)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as server:
        line = server.stdout.readline()
        assert line.startswith("serving wall-oss-tiny@") and "for franka on ws://127.0.0.1:" in line
        port = int(line.split("127.0.0.1:")[1].split(";")[0])
        with Client(port, additional_headers={"Authorization": "Bearer a-secret-token"}) as client:
            assert client.ask(request())["actions"].shape == (10, 7)
            server.send_signal(number)
            with pytest.raises(ConnectionClosed) as closed:
                client.connection.recv(timeout=60)
            assert closed.value.rcvd.code == 1001
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, "", "")
