# SPDX-License-Identifier: Apache-2.0
"""No node overwrites what rclpy's nodes keep for themselves: Python lets it, and only a real ROS 2 would show it."""

import ast
from pathlib import Path

import wall_oss_ros

# Attributes and methods with one underscore of Node and LifecycleNode in rclpy 7.1.3 (Jazzy). Those with two are safe.
RCLPY = set(
    """
    _allow_undeclared_parameters _clients _clock _context _default_callback_group _descriptors _enabled _guards _logger
    _logger_service _managed_entities _node _parameter_event_publisher _parameter_overrides _parameter_service
    _parameters _pre_set_parameters_callbacks _on_set_parameters_callbacks _post_set_parameters_callbacks
    _publishers _rate_group
    _service_change_state _service_get_available_states _service_get_available_transitions _service_get_state
    _service_get_transition_graph _services _state_machine _subscriptions _time_source _timers _type_description_service
    _waitables _callbacks _lifecycle_publishers
    _apply_descriptor _apply_descriptor_and_set _apply_descriptors _apply_floating_point_range _apply_integer_range
    _call_post_set_parameters_callback _call_pre_set_parameters_callback _check_undeclared_parameters
    _count_clients_or_servers _count_publishers_or_subscribers _declare_parameter_common _get_info_by_topic
    _set_parameters_atomically _set_parameters_atomically_common _validate_qos_or_depth_parameter
    _validate_topic_or_service_name _wake_executor
    """.split()
)


def node_classes():
    """Each class that derives from our node, or is it: (name, node of the syntax tree)."""
    for path in Path(wall_oss_ros.__file__).parent.rglob("*.py"):
        if "embedded" not in path.parts:
            for item in ast.walk(ast.parse(path.read_text())):
                if isinstance(item, ast.ClassDef) and any(
                    getattr(base, "id", "") in ("WallOSSNode", "LifecycleNode", "Node") for base in item.bases
                ):
                    yield item.name, item


def test_nodes_keep_off_rclpys_own_names():
    found = dict(node_classes())
    assert {"WallOSSNode", "ControlNode", "PlannerNode", "PerceptionNode", "SimulatedRobotNode"} <= set(found)
    for name, item in found.items():
        own = {part.name for part in ast.walk(item) if isinstance(part, ast.FunctionDef)}
        own |= {
            part.attr
            for part in ast.walk(item)
            if isinstance(part, ast.Attribute)
            and isinstance(part.ctx, ast.Store)
            and getattr(part.value, "id", "") == "self"
        }
        assert not own & RCLPY, f"{name} overwrites {own & RCLPY}"
