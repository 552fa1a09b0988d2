# SPDX-License-Identifier: Apache-2.0
"""Managed nodes: states, transitions, errors, and their services."""

import pytest
from embedded_support import PATIENCE, context, executor, make_node, result_of, spin_until  # noqa: F401

from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.embedded.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

String = get_message("std_msgs/msg/String")
SUCCESS, FAILURE, ERROR = TransitionCallbackReturn
Event = get_message("lifecycle_msgs/msg/TransitionEvent")


class Managed(LifecycleNode):
    """Does what the test puts into ``says``."""

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.says, self.came_from = {}, []

    def _say(self, name, state):
        self.came_from.append((name, state))
        said = self.says.get(name, SUCCESS)
        if isinstance(said, Exception):
            raise said
        return said

    def on_configure(self, state):
        self.publisher = self.create_lifecycle_publisher(String, "out", 10)
        return self._say("configure", state)

    def on_activate(self, state):
        super().on_activate(state)
        return self._say("activate", state)

    def on_error(self, state):
        return self._say("error", state)


@pytest.fixture
def node(make_node):
    return make_node("managed", Managed)


def test_publishes_only_while_active(node, make_node, executor):
    got = []
    make_node("other").create_subscription(String, "out", lambda message: got.append(message.data), 10)
    assert node.trigger_configure() is SUCCESS
    assert spin_until(executor, lambda: node.publisher.get_subscription_count() == 1)
    node.publisher.publish(String(data="inactive"))
    node.trigger_activate()
    node.publisher.publish(String(data="active"))
    assert spin_until(executor, lambda: got) and got == ["active"]
    node.trigger_deactivate()
    assert not node.publisher.is_activated
    assert node.came_from[:2] == [
        ("configure", LifecycleState("unconfigured", 1)),
        ("activate", LifecycleState("inactive", 2)),
    ]


def test_impossible_transitions_are_refused_with_what_is_possible(node):
    with pytest.raises(RuntimeError, match="configure, shutdown"):
        node.trigger_activate()
    node.trigger_shutdown()
    with pytest.raises(RuntimeError, match="finalized"):
        node.trigger_configure()


@pytest.mark.parametrize(
    "said, on_error, state",
    [
        (FAILURE, None, "unconfigured"),
        (ERROR, SUCCESS, "unconfigured"),
        (ERROR, FAILURE, "finalized"),
        (ValueError("bad camera"), SUCCESS, "unconfigured"),
        (None, ERROR, "finalized"),
    ],
)
def test_failures_and_errors_lead_where_ros_2_says(node, capfd, said, on_error, state):
    node.says = {"configure": said, "error": on_error}
    outcome = node.trigger_configure()
    assert outcome is (FAILURE if said is FAILURE else ERROR)
    assert node._state.label == state
    if isinstance(said, Exception):
        assert "bad camera" in capfd.readouterr().err


def test_others_can_drive_it(node, make_node, executor):
    other, events = make_node("other"), []
    other.create_subscription(Event, "/managed/transition_event", events.append, 10)

    def call(name, kind, **fields):
        service = get_interface("lifecycle_msgs", "srv", kind)
        client = other.create_client(service, f"/managed/{name}")
        assert client.wait_for_service(PATIENCE)
        request = service.Request()
        for field, value in fields.items():
            setattr(request.transition, field, value)
        return result_of(executor, client.call_async(request))

    assert call("get_state", "GetState").current_state.label == "unconfigured"
    possible = call("get_available_transitions", "GetAvailableTransitions").available_transitions
    assert [(t.transition.id, t.transition.label) for t in possible] == [(1, "configure"), (5, "shutdown")]
    assert len(call("get_transition_graph", "GetAvailableTransitions").available_transitions) == 7
    assert len(call("get_available_states", "GetAvailableStates").available_states) == 11
    assert call("change_state", "ChangeState", id=1).success
    assert call("change_state", "ChangeState", label="activate").success
    assert not call("change_state", "ChangeState", id=1).success
    assert call("get_state", "GetState").current_state.id == 3
    assert spin_until(executor, lambda: len(events) == 4)
    assert [(e.transition.label, e.goal_state.label) for e in events] == [
        ("configure", "configuring"), ("transition_success", "inactive"),
        ("activate", "activating"), ("transition_success", "active"),
    ]  # fmt: skip
