# SPDX-License-Identifier: Apache-2.0
"""The whole chain but for the network: cameras to observations to plan to motion to a cube in its tray.

A scripted expert that reads the simulator's truth stands in for the policy here, and only here, so that the test says
whether the nodes carry out what a policy wants: in time, from the right state, with the gripper at the right moment.
"""

import json

import pytest
from domains import own_domain
from nodes_support import SIMULATED, FakePolicy, NodeProcess, spin_until

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.sim.cubes import expert
from wall_oss_ros.sim.cubes.scene import TRAY_FLOOR

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import String
from wall_oss_msgs.msg import SubtaskPlan

pytestmark = pytest.mark.real_time

COLOUR, TRAY = "red", "left"
SUBTASKS = [("pick up", COLOUR), ("place", TRAY)]
WORDS = [f"pick up the {COLOUR} cube", f"place it in the {TRAY} tray"]


class Expert(FakePolicy):
    """Acts and judges as the scripted expert would, from the newest ground truth."""

    def __init__(self):
        super().__init__()
        self.truth = None

    def state(self, obs) -> expert.ExpertState:
        tcp = tuple(float(x) for x in obs.state[7:10])
        cubes = {colour: tuple(cube["position"]) for colour, cube in self.truth["cubes"].items()}
        held = next((colour for colour, cube in self.truth["cubes"].items() if cube["where"] == "gripper"), None)
        if held is not None:
            cubes[held] = tcp  # it moves with the hand, the truth comes a few times a second
        trays = {side: (x, y, TRAY_FLOOR) for side, (x, y) in self.truth["trays"].items()}
        return expert.ExpertState(tcp, float(obs.state[13]), held, cubes, trays)

    def plan(self, obs, instruction):
        return "\n".join(WORDS)

    def reason(self, obs, instruction):
        index = expert.active_subtask(SUBTASKS, self.state(obs))
        return WORDS[index] if index < len(WORDS) else "done"

    def act(self, obs, subtask, steps=None, seed=None, previous=None):
        return expert.rollout(self.state(obs), SUBTASKS[WORDS.index(subtask)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cube_is_put_in_its_tray(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    rclpy.init(args=[])
    policy, plans = Expert(), []
    bench = rclpy.create_node("bench", namespace="/wall_oss")
    bench.create_subscription(SubtaskPlan, "plan", plans.append, LATCHED)
    bench.create_subscription(
        String, "/simulation/ground_truth", lambda text: setattr(policy, "truth", json.loads(text.data)), NEWEST
    )
    instructions = bench.create_publisher(String, "instruction", EVENTS)
    simulated = {"parameter_overrides": [Parameter("use_sim_time", value=True), SIMULATED]}
    nodes = [cls(policy_loader=lambda *_: policy, **simulated) for cls in (PlannerNode, ActionExpertNode)]
    nodes.append(ControlNode(**simulated))
    executor = MultiThreadedExecutor(num_threads=4)
    try:
        for node in (bench, *nodes):
            executor.add_node(node)
        for node in nodes:
            node.autostart()
        # Slower than life, so that a busy machine is no handicap: watchdogs and chunks follow the simulated clock.
        slow = ("real_time_factor:=0.3", "camera_rate_hz:=4.5", "seed:=1", "colours:=red,green,blue")
        with NodeProcess("simulated_robot", *slow), NodeProcess("perception", "use_sim_time:=true"):
            spin_until(executor, lambda: policy.truth and instructions.get_subscription_count() > 0)
            instructions.publish(String(data=f"put the {COLOUR} cube in the {TRAY} tray"))
            unfinished = (SubtaskPlan.RUNNING, SubtaskPlan.AWAITING_APPROVAL)
            spin_until(executor, lambda: plans and plans[-1].plan_id and plans[-1].status not in unfinished, limit=600)
            assert plans[-1].status == SubtaskPlan.SUCCEEDED, plans[-1].message
            assert policy.truth["cubes"][COLOUR]["where"] == f"{TRAY} tray"
            assert [policy.truth["cubes"][c]["where"] for c in ("green", "blue")] == ["table", "table"]
    finally:
        for node in nodes:
            node.close()
        executor.shutdown()
        for node in (*nodes, bench):
            node.destroy_node()
        rclpy.shutdown()
