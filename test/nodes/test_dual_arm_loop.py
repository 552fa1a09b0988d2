# SPDX-License-Identifier: Apache-2.0
"""The two-handed task through all nodes but for the network: cameras and joints of both arms to a lifted, level tray.

A scripted expert that reads the simulator's truth stands in for the policy, as in test_nodes_closed_loop.py.
"""

import json

import numpy as np
import pytest
from domains import own_domain
from nodes_support import SIMULATED, FakePolicy, NodeProcess, spin_until

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotations import matrix_from_quaternion
from wall_oss_ros.sim.lifting import expert
from wall_oss_ros.sim.lifting.frame import SIDES
from wall_oss_ros.sim.lifting.language import lift_text, take_text
from wall_oss_ros.sim.lifting.scene import GRIP, SIDE
from wall_oss_ros.sim.lifting.state import LiftState
from wall_oss_ros.sim.registry import task_of

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import String
from wall_oss_msgs.msg import ActionChunk, SubtaskPlan

pytestmark = pytest.mark.real_time

COLOUR = "red"
SUBTASKS = [(expert.TAKE, COLOUR), (expert.LIFT, COLOUR)]
WORDS = [take_text(COLOUR), lift_text(COLOUR)]
PROFILE = load_profile("dual_arm")
TASK = task_of(PROFILE)
(GOAL,) = TASK.language.parse(f"lift the {COLOUR} tray")


class Expert(FakePolicy):
    """Acts and judges as the scripted expert would, from the observed hands and the trays' newest ground truth."""

    views = [view.name for view in PROFILE.views]

    def __init__(self):
        super().__init__()
        self.truth, self.layout = None, Layout(PROFILE)
        self.dof_mask = self.layout.mask & ~self.layout.optional

    def state(self, obs) -> LiftState:
        poses = [arm.unpack(obs.state) for arm in self.layout.arms]
        tcps = [tuple(pose[0].tolist()) for pose in poses]
        trays, walls, gripped = self.truth["wide_trays"], [], []
        for tray in trays.values():
            turn, place = matrix_from_quaternion(tray["quaternion"]), np.array(tray["position"])
            held = [side in tray["hands"] for side in SIDES]
            sides = [tuple((place + turn @ (0.0, sign * SIDE, GRIP)).tolist()) for sign in (-1, 1)]
            # What is held moves with the hand, and the truth comes a few times a second.
            walls.append([tcp if one else side for tcp, one, side in zip(tcps, held, sides)])
            gripped.append(held)
        return LiftState(
            tcps=tcps, rotations=[tuple(obs.state[arm.rotation].tolist()) for arm in self.layout.arms],
            openings=[pose[2] for pose in poses], walls=walls, gripped=gripped, colours=tuple(trays),
        )  # fmt: skip

    def plan(self, obs, instruction):
        return "\n".join(WORDS)

    def reason(self, obs, instruction):
        if TASK.shows(self.truth, GOAL):
            return "done"
        return WORDS[min(expert.active_subtask(SUBTASKS, self.state(obs)), 1)]

    def act(self, obs, subtask, steps=None, seed=None, previous=None):
        chunk = np.zeros((10, 20), np.float32)
        chunk[:, :14] = expert.rollout(self.state(obs), SUBTASKS[WORDS.index(subtask)])
        return chunk


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hands_lift_a_tray(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    rclpy.init(args=[])
    policy, plans, chunks = Expert(), [], []
    bench = rclpy.create_node("bench", namespace="/wall_oss")
    bench.create_subscription(SubtaskPlan, "plan", plans.append, LATCHED)
    bench.create_subscription(ActionChunk, "action_chunk", chunks.append, EVENTS)
    bench.create_subscription(
        String, "/simulation/ground_truth", lambda text: setattr(policy, "truth", json.loads(text.data)), NEWEST
    )
    instructions = bench.create_publisher(String, "instruction", EVENTS)
    settings = [Parameter("use_sim_time", value=True), Parameter("robot", value="dual_arm"), SIMULATED]
    simulated = {"parameter_overrides": settings}
    nodes = [cls(policy_loader=lambda *_: policy, **simulated) for cls in (PlannerNode, ActionExpertNode)]
    nodes.append(ControlNode(**simulated))
    executor = MultiThreadedExecutor(num_threads=4)
    try:
        for node in (bench, *nodes):
            executor.add_node(node)
        for node in nodes:
            node.autostart()
        # Slower than life, so that a busy machine is no handicap: watchdogs and chunks follow the simulated clock.
        slow = (
            "robot:=dual_arm",
            "real_time_factor:=0.25",
            "camera_rate_hz:=3.75",
            "seed:=1",
            f"colours:=blue,{COLOUR}",
        )
        with NodeProcess("simulated_robot", *slow), NodeProcess("perception", "robot:=dual_arm", "use_sim_time:=true"):
            spin_until(executor, lambda: policy.truth and instructions.get_subscription_count() > 0)
            instructions.publish(String(data=f"lift the {COLOUR} tray"))
            over = (SubtaskPlan.SUCCEEDED, SubtaskPlan.FAILED)
            spin_until(executor, lambda: plans and plans[-1].status in over, limit=600)
            assert plans[-1].status == SubtaskPlan.SUCCEEDED, plans[-1].message
            assert TASK.shows(policy.truth, GOAL), policy.truth
            assert policy.truth["wide_trays"]["blue"]["raised"] < 0.01, "the other one stays"
            assert all(len(chunk.more_paths) == 1 and len(chunk.more_paths[0].poses) == 10 for chunk in chunks)
    finally:
        for node in nodes:
            node.close()
        executor.shutdown()
        for node in (*nodes, bench):
            node.destroy_node()
        rclpy.shutdown()
