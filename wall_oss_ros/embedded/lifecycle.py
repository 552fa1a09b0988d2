# SPDX-License-Identifier: Apache-2.0
"""Managed nodes, and publishers and other things that follow their node's state; with rclpy.lifecycle's names."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from enum import Enum
from functools import partialmethod, wraps
from typing import Any, NamedTuple

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.node import Node as _PlainNode
from wall_oss_ros.embedded.topics import Publisher as _PlainPublisher


class TransitionCallbackReturn(Enum):
    """What a transition's callback says of itself."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99


class LifecycleState(NamedTuple):
    """A state: its label and its number in lifecycle_msgs/State."""

    label: str
    state_id: int


class _Transition(NamedTuple):
    """A transition that can be asked for, with its number in lifecycle_msgs/Transition and states by their labels."""

    id: int
    label: str
    start: str
    during: str
    first_outcome_id: int  # those of failure and error follow that of success
    goals: tuple[str, str, str]  # after success, failure and error

    def outcome(self, code: TransitionCallbackReturn) -> tuple[int, str, LifecycleState]:
        """Id, label and goal of what follows the callback."""
        index = code.value - _SUCCESS.value
        return self.first_outcome_id + index, f"transition_{code.name.lower()}", _STATES[self.goals[index]]


_SUCCESS = TransitionCallbackReturn.SUCCESS
_PRIMARY_STATES = ("unknown", "unconfigured", "inactive", "active", "finalized")
_TRANSITION_STATES = ("configuring", "cleaningup", "shuttingdown", "activating", "deactivating", "errorprocessing")
_STATES = {
    label: LifecycleState(label, number)
    for number, label in [*enumerate(_PRIMARY_STATES), *enumerate(_TRANSITION_STATES, start=10)]
}
_SHUTDOWN = (50, ("finalized", "finalized", "errorprocessing"))
_TRANSITIONS = (
    _Transition(1, "configure", "unconfigured", "configuring", 10, ("inactive", "unconfigured", "errorprocessing")),
    _Transition(2, "cleanup", "inactive", "cleaningup", 20, ("unconfigured", "inactive", "errorprocessing")),
    _Transition(3, "activate", "inactive", "activating", 30, ("active", "inactive", "errorprocessing")),
    _Transition(4, "deactivate", "active", "deactivating", 40, ("inactive", "active", "errorprocessing")),
    _Transition(5, "shutdown", "unconfigured", "shuttingdown", *_SHUTDOWN),
    _Transition(6, "shutdown", "inactive", "shuttingdown", *_SHUTDOWN),
    _Transition(7, "shutdown", "active", "shuttingdown", *_SHUTDOWN),
)
# What on_error makes of it when a callback reported an error; nobody asks for it.
_ERROR = _Transition(0, "error", "errorprocessing", "errorprocessing", 60, ("unconfigured", "finalized", "finalized"))


class ManagedEntity:
    """Something that a managed node informs of its transitions."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return _SUCCESS

    on_cleanup = on_shutdown = on_activate = on_deactivate = on_error = on_configure


class SimpleManagedEntity(ManagedEntity):
    """Something that works only while its node is active."""

    def __init__(self) -> None:
        self._enabled = False

    @property
    def is_activated(self) -> bool:
        return self._enabled

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = True
        return _SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = False
        return _SUCCESS

    @staticmethod
    def when_enabled(wrapped: Callable | None = None, *, when_not_enabled: Callable | None = None) -> Callable:
        """Decorates a method so that it does nothing, or calls `when_not_enabled`, while not activated."""

        def decorator(method: Callable) -> Callable:
            @wraps(method)
            def only_when_enabled(self: Any, *args: Any, **kwargs: Any) -> Any:
                if self._enabled:
                    return method(self, *args, **kwargs)
                return when_not_enabled() if when_not_enabled is not None else None

            return only_when_enabled

        return decorator if wrapped is None else decorator(wrapped)


class LifecyclePublisher(SimpleManagedEntity, _PlainPublisher):
    """A publisher that drops messages while its node is not active."""

    def __init__(self, *args: Any, **kwargs: Any):
        SimpleManagedEntity.__init__(self)
        _PlainPublisher.__init__(self, *args, **kwargs)

    @SimpleManagedEntity.when_enabled
    def publish(self, msg: Any) -> None:
        """Publishes a message if the node is active, otherwise drops it."""
        _PlainPublisher.publish(self, msg)


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
        self._state = _STATES["unconfigured"]
        self._managed_entities: list[ManagedEntity] = []
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

    def _possible(self) -> list[_Transition]:
        return [transition for transition in _TRANSITIONS if transition.start == self._state.label]

    def _find(self, id: int | None = None, label: str = "") -> _Transition | None:
        """The transition of that id or label, if it can be asked for now; the label goes before the id."""
        found = (each for each in self._possible() if (each.label == label if label else each.id == id))
        return next(found, None)

    def _trigger(self, label: str) -> TransitionCallbackReturn:
        """Makes a transition; raises TransitionError where the present state does not allow it."""
        with self._machine_lock:
            transition = self._find(label=label)
            if transition is None:
                possible = ", ".join(t.label for t in self._possible()) or "none"
                raise TransitionError(
                    f"No transition {label!r} from state {self._state.label!r}; possible: {possible}."
                )
            return self._make(transition)

    trigger_configure = partialmethod(_trigger, "configure")
    trigger_cleanup = partialmethod(_trigger, "cleanup")
    trigger_activate = partialmethod(_trigger, "activate")
    trigger_deactivate = partialmethod(_trigger, "deactivate")
    trigger_shutdown = partialmethod(_trigger, "shutdown")

    def _make(self, transition: _Transition) -> TransitionCallbackReturn:
        came_from = self._state
        self._move(transition.id, transition.label, _STATES[transition.during])
        outcome = self._run(f"on_{transition.label}", came_from)
        self._move(*transition.outcome(outcome))
        if outcome is TransitionCallbackReturn.ERROR:
            self._move(*_ERROR.outcome(self._run("on_error", came_from)))
        return outcome

    def _run(self, callback: str, came_from: LifecycleState) -> TransitionCallbackReturn:
        try:
            outcome = getattr(self, callback)(came_from)
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
        if self._state.label == "active":
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
            if outcome is not _SUCCESS:
                return outcome
        return _SUCCESS

    on_configure = partialmethod(_pass_on, "on_configure")
    on_cleanup = partialmethod(_pass_on, "on_cleanup")
    on_shutdown = partialmethod(_pass_on, "on_shutdown")
    on_activate = partialmethod(_pass_on, "on_activate")
    on_deactivate = partialmethod(_pass_on, "on_deactivate")
    on_error = partialmethod(_pass_on, "on_error")

    # Services

    def _on_change_state(self, request: Any, response: Any) -> Any:
        asked = request.transition
        with self._machine_lock:
            transition = self._find(asked.id, asked.label)
            if transition is None:
                self.get_logger().warning(f"No transition {asked.label or asked.id!r} from state {self._state.label!r}")
            else:
                response.success = self._make(transition) is _SUCCESS
        return response

    def _on_get_state(self, request: Any, response: Any) -> Any:
        response.current_state = _state_message(self._state)
        return response

    def _on_get_states(self, request: Any, response: Any) -> Any:
        response.available_states = [_state_message(state) for state in _STATES.values()]
        return response

    def _on_get_transitions(self, request: Any, response: Any) -> Any:
        response.available_transitions = [_describe(transition) for transition in self._possible()]
        return response

    def _on_get_graph(self, request: Any, response: Any) -> Any:
        response.available_transitions = [_describe(transition) for transition in _TRANSITIONS]
        return response


class LifecycleNode(LifecycleNodeMixin, _PlainNode):
    """A managed node; arguments as for `Node`, and `enable_communication_interface` for its services."""

    def __init__(self, node_name: str, *, enable_communication_interface: bool = True, **kwargs: Any):
        _PlainNode.__init__(self, node_name, **kwargs)
        self._announced = False
        LifecycleNodeMixin.__init__(self, enable_communication_interface=enable_communication_interface)
        self._announced = True
        self._announce()


def _state_message(state: LifecycleState) -> Any:
    return get_interface("lifecycle_msgs", "msg", "State")(id=state.state_id, label=state.label)


def _describe(transition: _Transition) -> Any:
    return get_interface("lifecycle_msgs", "msg", "TransitionDescription")(
        transition=get_interface("lifecycle_msgs", "msg", "Transition")(id=transition.id, label=transition.label),
        start_state=_state_message(_STATES[transition.start]),
        goal_state=_state_message(_STATES[transition.during]),
    )


# As rclpy.lifecycle calls them, too.
Node, NodeMixin, Publisher, State = LifecycleNode, LifecycleNodeMixin, LifecyclePublisher, LifecycleState
