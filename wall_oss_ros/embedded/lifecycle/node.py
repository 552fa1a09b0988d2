# SPDX-License-Identifier: Apache-2.0
"""Managed nodes: configured, activated, deactivated and cleaned up by others, or by themselves."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.lifecycle import machine
from wall_oss_ros.embedded.lifecycle.machine import LifecycleState, TransitionCallbackReturn
from wall_oss_ros.embedded.lifecycle.managed_entity import ManagedEntity
from wall_oss_ros.embedded.lifecycle.publisher import LifecyclePublisher
from wall_oss_ros.embedded.node import Node


class TransitionError(RuntimeError):
    """The transition cannot be made in the present state."""


class LifecycleNodeMixin(ManagedEntity):
    """What makes a node a managed one; `LifecycleNode` has it.

    Override ``on_configure`` and its siblings: each is given the state it comes from and returns a
    TransitionCallbackReturn. An exception counts as ERROR, which leads to ``on_error``. The defaults pass the
    transition on to the managed entities, such as lifecycle publishers; call ``super()`` to keep that.
    """

    def __init__(self, *, enable_communication_interface: bool = True, callback_group: Any = None):
        self._machine_lock = threading.RLock()
        self._state = machine.UNCONFIGURED
        self._managed_entities: list[ManagedEntity] = []
        self._transition_callbacks: dict[str, Callable] = {}
        self._transition_events = None
        if enable_communication_interface:
            event = get_interface("lifecycle_msgs", "msg", "TransitionEvent")
            self._transition_events = self.create_publisher(event, "~/transition_event", 10)
            for name, kind, answer in (
                ("change_state", "ChangeState", self._on_change_state),
                ("get_state", "GetState", self._on_get_state),
                ("get_available_states", "GetAvailableStates", self._on_get_states),
                ("get_available_transitions", "GetAvailableTransitions", self._on_get_transitions),
                ("get_transition_graph", "GetAvailableTransitions", self._on_get_graph),
            ):
                service = get_interface("lifecycle_msgs", "srv", kind)
                self.create_service(service, f"~/{name}", answer, callback_group=callback_group)

    # Asking for transitions

    def trigger_configure(self) -> TransitionCallbackReturn:
        return self._trigger("configure")

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        return self._trigger("cleanup")

    def trigger_activate(self) -> TransitionCallbackReturn:
        return self._trigger("activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        return self._trigger("deactivate")

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        return self._trigger("shutdown")

    def _trigger(self, label: str) -> TransitionCallbackReturn:
        """Makes a transition; raises TransitionError where the present state does not allow it."""
        with self._machine_lock:
            transition = machine.find(self._state, label=label)
            if transition is None:
                allowed = ", ".join(t.label for t in machine.available(self._state)) or "none"
                raise TransitionError(f"No transition {label!r} from state {self._state.label!r}; possible: {allowed}.")
            return self._make(transition)

    def _make(self, transition: machine.Transition) -> TransitionCallbackReturn:
        came_from = self._state
        self._move(transition.id, transition.label, transition.during)
        outcome = self._run(transition.callback, came_from)
        self._move(*transition.outcomes[outcome])
        if outcome is TransitionCallbackReturn.ERROR:
            self._move(*machine.ERROR_OUTCOMES[self._run("on_error", came_from)])
        return outcome

    def _run(self, callback: str, came_from: LifecycleState) -> TransitionCallbackReturn:
        function = self._transition_callbacks.get(callback, getattr(self, callback))
        try:
            outcome = function(came_from)
            if isinstance(outcome, TransitionCallbackReturn):
                return outcome
            self.get_logger().error(f"{callback} returned {outcome!r}, expected a TransitionCallbackReturn")
        except Exception:  # a managed node reports errors through its state
            self.get_logger().error(f"{callback} failed:\n{traceback.format_exc().rstrip()}")
        return TransitionCallbackReturn.ERROR

    def _move(self, id: int, label: str, goal: LifecycleState) -> None:
        start, self._state = self._state, goal
        if self._transition_events is None:
            return
        event = self._transition_events.msg_type(timestamp=self.get_clock().now().nanoseconds)
        event.transition = get_interface("lifecycle_msgs", "msg", "Transition")(id=id, label=label)
        event.start_state, event.goal_state = _state_message(start), _state_message(goal)
        self._transition_events.publish(event)

    # What follows the state

    def add_managed_entity(self, entity: ManagedEntity) -> None:
        """Tells an entity about transitions from now on."""
        self._managed_entities.append(entity)

    def create_lifecycle_publisher(self, *args: Any, **kwargs: Any) -> LifecyclePublisher:
        """A publisher that is silent unless the node is active; arguments as for create_publisher."""
        publisher = self.create_publisher(*args, publisher_class=LifecyclePublisher, **kwargs)
        if self._state == machine.ACTIVE:
            publisher.on_activate(self._state)
        self.add_managed_entity(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher) -> bool:
        if publisher in self._managed_entities:
            self._managed_entities.remove(publisher)
        return self.destroy_publisher(publisher)

    def _pass_on(self, callback: str, state: LifecycleState) -> TransitionCallbackReturn:
        for entity in list(self._managed_entities):
            outcome = getattr(entity, callback)(state)
            if outcome is not TransitionCallbackReturn.SUCCESS:
                return outcome
        return TransitionCallbackReturn.SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_configure", state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_cleanup", state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_shutdown", state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_activate", state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_deactivate", state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._pass_on("on_error", state)

    # Services

    def _on_change_state(self, request: Any, response: Any) -> Any:
        asked = request.transition
        with self._machine_lock:
            transition = machine.find(self._state, asked.id, asked.label)
            if transition is None:
                self.get_logger().warning(f"No transition {asked.label or asked.id!r} from state {self._state.label!r}")
            else:
                response.success = self._make(transition) is TransitionCallbackReturn.SUCCESS
        return response

    def _on_get_state(self, request: Any, response: Any) -> Any:
        response.current_state = _state_message(self._state)
        return response

    def _on_get_states(self, request: Any, response: Any) -> Any:
        response.available_states = [_state_message(state) for state in machine.STATES]
        return response

    def _on_get_transitions(self, request: Any, response: Any) -> Any:
        response.available_transitions = [_describe(transition) for transition in machine.available(self._state)]
        return response

    def _on_get_graph(self, request: Any, response: Any) -> Any:
        response.available_transitions = [_describe(transition) for transition in machine.TRANSITIONS]
        return response


class LifecycleNode(LifecycleNodeMixin, Node):
    """A managed node; arguments as for `Node`, and `enable_communication_interface` for its services."""

    def __init__(self, node_name: str, *, enable_communication_interface: bool = True, **kwargs: Any):
        Node.__init__(self, node_name, **kwargs)
        self._announced = False
        LifecycleNodeMixin.__init__(self, enable_communication_interface=enable_communication_interface)
        self._announced = True
        self._announce()


def _state_message(state: LifecycleState) -> Any:
    return get_interface("lifecycle_msgs", "msg", "State")(id=state.state_id, label=state.label)


def _describe(transition: machine.Transition) -> Any:
    return get_interface("lifecycle_msgs", "msg", "TransitionDescription")(
        transition=get_interface("lifecycle_msgs", "msg", "Transition")(id=transition.id, label=transition.label),
        start_state=_state_message(transition.start),
        goal_state=_state_message(transition.during),
    )
