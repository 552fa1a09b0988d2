# SPDX-License-Identifier: Apache-2.0
"""Services and actions, within a process and between two."""

import threading

import pytest
from embedded_support import PATIENCE, Child, context, executor, make_node, result_of, spin_until  # noqa: F401

from wall_oss_ros.embedded.action import ActionClient, ActionServer, CancelResponse, GoalResponse, GoalStatus
from wall_oss_ros.embedded.executors import ExternalShutdownException, MultiThreadedExecutor
from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from wall_oss_ros.embedded.service_introspection import ServiceIntrospectionState
from wall_oss_ros.embedded.task import Future

pytestmark = pytest.mark.slow

SetBool = get_interface("std_srvs", "srv", "SetBool")
Gripper = get_interface("control_msgs", "action", "GripperCommand")


def answer(request, response):
    response.success, response.message = request.data, "yes" if request.data else "no"
    return response


def test_each_client_gets_its_own_answers(make_node, executor):
    server, one, two = make_node("server"), make_node("one"), make_node("two")
    server.create_service(SetBool, "flip", answer)
    clients = [one.create_client(SetBool, "flip"), two.create_client(SetBool, "flip")]
    assert all(client.wait_for_service(PATIENCE) for client in clients)
    futures = [clients[i % 2].call_async(SetBool.Request(data=i % 3 == 0)) for i in range(10)]
    assert [result_of(executor, future).success for future in futures] == [i % 3 == 0 for i in range(10)]


def test_services_work_between_processes_from_the_first_call(make_node, executor):
    code = """
        import wall_oss_ros.embedded.auto, rclpy
        from std_srvs.srv import SetBool
        rclpy.init()
        node = rclpy.create_node("server")
        def flip(request, response):
            response.success, response.message = not request.data, "flipped"
            return response
        node.create_service(SetBool, "flip", flip)
        rclpy.spin(node)
    """
    node = make_node("client")
    with Child(code):
        client = node.create_client(SetBool, "flip")
        assert client.wait_for_service(PATIENCE)
        response = result_of(executor, client.call_async(SetBool.Request(data=False)))
        assert (response.success, response.message) == (True, "flipped")


def test_no_server_no_service(make_node):
    client = make_node("client").create_client(SetBool, "nobody")
    assert not client.service_is_ready()
    assert not client.wait_for_service(timeout_sec=0.05)


def test_service_callback_may_be_a_coroutine_that_calls_another_service(make_node, executor):
    node = make_node("node")
    from wall_oss_ros.embedded.callback_groups import ReentrantCallbackGroup

    group = ReentrantCallbackGroup()
    inner = node.create_client(SetBool, "inner", callback_group=group)
    node.create_service(SetBool, "inner", answer, callback_group=group)

    async def relay(request, response):
        return await inner.call_async(request)

    node.create_service(SetBool, "outer", relay, callback_group=group)
    client = node.create_client(SetBool, "outer", callback_group=group)
    assert client.wait_for_service(PATIENCE)
    assert result_of(executor, client.call_async(SetBool.Request(data=True))).message == "yes"


def test_wrong_requests_and_responses_are_refused(make_node, executor):
    node = make_node("node")
    client = node.create_client(SetBool, "bad")
    with pytest.raises(TypeError):
        client.call_async(SetBool.Response())
    node.create_service(SetBool, "bad", lambda request, response: None)
    assert client.wait_for_service(PATIENCE)
    client.call_async(SetBool.Request())
    with pytest.raises(TypeError, match="bad"):
        spin_until(executor, lambda: False, 5)


def test_blocking_call_from_another_thread(make_node, executor):
    node, got = make_node("node"), []
    node.create_service(SetBool, "flip", answer)
    client = node.create_client(SetBool, "flip")

    def ask():
        client.wait_for_service(PATIENCE)
        got.append(client.call(SetBool.Request(data=True), timeout_sec=PATIENCE))

    thread = threading.Thread(target=ask)
    thread.start()
    assert spin_until(executor, lambda: got)
    thread.join()
    assert got[0].success
    node.create_service(SetBool, "never_spun", answer)
    with pytest.raises(TimeoutError, match="flip"):
        client.call(SetBool.Request(data=True), timeout_sec=0.05)


@pytest.fixture
def server(make_node):
    """An action server whose goals end when the test says so, through ``server.go``."""
    node = make_node("server")
    node.go = Future()

    async def execute(handle):
        handle.publish_feedback(Gripper.Feedback(position=0.5))
        await node.go
        if handle.is_cancel_requested:
            handle.canceled()
        elif handle.request.command.max_effort < 0:
            handle.abort()
        elif handle.request.command.max_effort > 100:
            raise RuntimeError("too strong")
        else:
            handle.succeed()
        return Gripper.Result(position=handle.request.command.position)

    def accept(goal):
        return GoalResponse.REJECT if goal.command.position < 0 else GoalResponse.ACCEPT

    node.action = ActionServer(
        node, Gripper, "grip", execute, goal_callback=accept, cancel_callback=lambda handle: CancelResponse.ACCEPT
    )
    return node


@pytest.fixture
def client(make_node, server):
    made = ActionClient(make_node("client"), Gripper, "grip")
    assert made.wait_for_server(PATIENCE)
    return made


def goal(position=1.0, effort=0.0):
    message = Gripper.Goal()
    message.command.position, message.command.max_effort = position, effort
    return message


def test_a_goal_runs_to_success_with_feedback(server, client, executor):
    feedback = []
    handle = result_of(executor, client.send_goal_async(goal(), lambda message: feedback.append(message.feedback)))
    assert handle.accepted
    assert spin_until(executor, lambda: feedback and handle.status == GoalStatus.STATUS_EXECUTING)
    assert feedback[0].position == 0.5
    server.go.set_result(None)
    answer = result_of(executor, handle.get_result_async())
    assert (answer.status, answer.result.position) == (GoalStatus.STATUS_SUCCEEDED, 1.0)


def test_a_goal_can_be_rejected(client, executor):
    assert not result_of(executor, client.send_goal_async(goal(position=-1.0))).accepted


def test_a_goal_can_be_cancelled(server, client, executor):
    handle = result_of(executor, client.send_goal_async(goal()))
    cancelled = result_of(executor, handle.cancel_goal_async())
    assert cancelled.return_code == cancelled.ERROR_NONE and len(cancelled.goals_canceling) == 1
    server.go.set_result(None)
    assert result_of(executor, handle.get_result_async()).status == GoalStatus.STATUS_CANCELED
    again = result_of(executor, handle.cancel_goal_async())
    assert again.return_code == again.ERROR_GOAL_TERMINATED


@pytest.mark.parametrize("effort", [-1.0, 101.0], ids=["abort", "exception"])
def test_abort_and_exceptions_abort_the_goal(server, client, executor, effort):
    server.go.set_result(None)
    handle = result_of(executor, client.send_goal_async(goal(effort=effort)))
    assert result_of(executor, handle.get_result_async()).status == GoalStatus.STATUS_ABORTED


def test_a_goal_cannot_end_twice_or_be_cancelled_unasked(server):
    from wall_oss_ros.embedded.action.goal import ServerGoalHandle

    uuid = get_interface("unique_identifier_msgs", "msg", "UUID")()
    handle = ServerGoalHandle(server.action, uuid, goal(), None)
    handle._update("execute")
    with pytest.raises(RuntimeError, match="canceled"):
        handle.canceled()
    handle.succeed()
    with pytest.raises(RuntimeError, match="abort"):
        handle.abort()


def test_a_blocking_execute_callback_leaves_other_threads_free(context):
    node, client_node = (Node(name, context=context, use_global_arguments=False) for name in ("server", "client"))
    release = threading.Event()

    def execute(handle):
        while not handle.is_cancel_requested:
            release.wait(0.02)
        handle.canceled()
        return Gripper.Result(position=2.0)

    ActionServer(node, Gripper, "grip", execute, cancel_callback=lambda handle: CancelResponse.ACCEPT)
    client = ActionClient(client_node, Gripper, "grip")
    executor = MultiThreadedExecutor(3, context=context)
    executor.add_node(node)
    executor.add_node(client_node)

    def spin():
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        assert client.wait_for_server(PATIENCE)
        arrived, handles = threading.Event(), []
        client.send_goal_async(goal()).add_done_callback(lambda f: (handles.append(f.result()), arrived.set()))
        assert arrived.wait(PATIENCE)
        assert handles[0].cancel_goal().return_code == 0
        answer = handles[0].get_result()
        assert (answer.status, answer.result.position) == (GoalStatus.STATUS_CANCELED, 2.0)
    finally:
        context.try_shutdown()
        thread.join(PATIENCE)
        executor.shutdown()
    assert not thread.is_alive()


def test_a_service_keeps_to_its_quality_of_service(make_node, executor):
    server, client = make_node("server"), make_node("client")
    asked = []
    patient, hasty = QoSProfile(history=HistoryPolicy.KEEP_ALL), QoSProfile(depth=1)
    for name, profile in (("patient", patient), ("hasty", hasty)):

        def note(request, response, name=name):
            asked.append(name)
            return response

        server.create_service(SetBool, name, note, qos_profile=profile)
    callers = {name: client.create_client(SetBool, name, qos_profile=patient) for name in ("patient", "hasty")}
    assert all(caller.wait_for_service(PATIENCE) for caller in callers.values())
    futures = {name: [caller.call_async(SetBool.Request()) for _ in range(30)] for name, caller in callers.items()}
    assert callers["patient"]._writer.wait_for_acks(10**10) and callers["hasty"]._writer.wait_for_acks(10**10)
    assert all(result_of(executor, future) for future in futures["patient"])
    result_of(executor, futures["hasty"][-1])
    assert asked.count("patient") == 30 and asked.count("hasty") == 1


def test_a_client_and_a_service_that_do_not_match_do_not_meet(make_node, executor):
    server, client = make_node("server"), make_node("client")
    careless = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    server.create_service(SetBool, "careless", answer, qos_profile=careless)
    assert not client.create_client(SetBool, "careless").wait_for_service(0.3)
    assert client.create_client(SetBool, "careless", qos_profile=careless).wait_for_service(PATIENCE)


def test_introspection_tells_of_each_step(make_node, executor):
    node = make_node("both")
    service, client = node.create_service(SetBool, "flip", answer), node.create_client(SetBool, "flip")
    events = []
    node.create_subscription(SetBool.Event, "flip/_service_event", events.append, 10)
    for end, state in (
        (service, ServiceIntrospectionState.METADATA),
        (client, ServiceIntrospectionState.CONTENTS),
    ):
        end.configure_introspection(node.get_clock(), QoSProfile(depth=10), state)
    assert spin_until(executor, lambda: node.count_publishers("flip/_service_event") == 2) and client.wait_for_service()
    assert spin_until(
        executor, lambda: all(each.get_subscription_count() for each in (service._events, client._events))
    )
    result_of(executor, client.call_async(SetBool.Request(data=True)))
    assert spin_until(executor, lambda: len(events) == 4)
    by_kind = {event.info.event_type: event for event in events}
    info = get_message("service_msgs/msg/ServiceEventInfo")
    sent, received = by_kind[info.REQUEST_SENT], by_kind[info.REQUEST_RECEIVED]
    assert sent.request == [SetBool.Request(data=True)] and by_kind[info.RESPONSE_RECEIVED].response[0].success
    assert (received.request, by_kind[info.RESPONSE_SENT].response) == ([], [])
    assert len({event.info.sequence_number for event in events}) == 1
    assert len({event.info.client_gid.tobytes() for event in events}) == 1
    client.configure_introspection(node.get_clock(), QoSProfile(depth=10), ServiceIntrospectionState.OFF)
    assert spin_until(executor, lambda: node.count_publishers("flip/_service_event") == 1)
