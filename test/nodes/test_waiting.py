# SPDX-License-Identifier: Apache-2.0
"""Where callbacks of a node wait: the node itself goes on, in one thread, and what they raise ends it."""

import threading
import time

import pytest
from domains import own_domain

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.waiting import WaitingRoom

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

pytestmark = pytest.mark.timeout(120)
LIMIT = 60.0


@pytest.fixture
def node():
    own_domain()
    rclpy.init()
    made = Node("thinker", namespace="here", cli_args=["--ros-args", "-r", "think:=ponder"])
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def spin(executor, condition) -> None:
    until = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < until
        executor.spin_once(timeout_sec=0.05)


def serve(node, room, callback):
    return room.node.create_service(Trigger, node.resolve_service_name("think"), callback, callback_group=room.group)


def test_several_callers_wait_while_the_node_goes_on_in_one_thread(node):
    executor, released, inside = SingleThreadedExecutor(), threading.Event(), []
    executor.add_node(node)
    room = WaitingRoom(node, 3)

    def think(_, response):
        inside.append(threading.current_thread().name)
        response.success = released.wait(LIMIT)
        return response

    serve(node, room, think)
    ticks = []
    node.create_timer(0.02, lambda: ticks.append(threading.current_thread() is threading.main_thread()))
    clients = [node.create_client(Trigger, "ponder") for _ in range(3)]  # by the node's own remapping
    spin(executor, lambda: all(client.service_is_ready() for client in clients))
    answers = [client.call_async(Trigger.Request()) for client in clients]
    spin(executor, lambda: len(inside) == 3)
    before = len(ticks)
    spin(executor, lambda: len(ticks) > before + 5)
    assert all(ticks) and len({*inside}) == 3 and not any(answer.done() for answer in answers)
    released.set()
    spin(executor, lambda: all(answer.done() for answer in answers))
    assert all(answer.result().success for answer in answers)
    room.destroy()
    assert not [thread for thread in threading.enumerate() if thread.name == "_thinker_waiting"]
    executor.shutdown()


def test_the_room_is_hidden_and_leaves_with_the_node(node):
    room = WaitingRoom(node, 2)
    assert room.node.get_name() == "_thinker_waiting" and room.node.get_namespace() == "/here"
    assert not [one for one, _ in room.node.get_service_names_and_types_by_node("_thinker_waiting", "/here")
                if "parameter" in one]  # fmt: skip
    room.destroy()
    until = time.monotonic() + LIMIT
    while "_thinker_waiting" in node.get_node_names():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_callback_raises_ends_the_node(node):
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    room = WaitingRoom(node, 2)

    def think(_, response):
        raise RuntimeError("a fault of the program")

    serve(node, room, think)
    client = node.create_client(Trigger, "ponder")
    spin(executor, client.service_is_ready)
    client.call_async(Trigger.Request())
    with pytest.raises(RuntimeError, match="a fault of the program"):
        spin(executor, lambda: False)
    room.destroy()
    executor.shutdown()


def test_a_room_outlives_the_end_of_its_context(node):
    room = WaitingRoom(node, 2)
    rclpy.shutdown()
    room.destroy()
    assert not [thread for thread in threading.enumerate() if thread.name == "_thinker_waiting"]
