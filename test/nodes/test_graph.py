# SPDX-License-Identifier: Apache-2.0
"""Nodes that talk: the simulated robot and perception as processes, planner and control with a scripted policy."""

import json
import signal
import threading

import numpy as np
import pytest
from domains import own_domain
from nodes_support import LIMIT, FakePolicy, NodeProcess, a_bench
from robot_support import ARM, PROFILE, Robot, in_state

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.observation_messages import image_array, observation_from
from wall_oss_ros.nodes.plan_markers import PlanMarkersNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR
from wall_oss_ros.perception.scene import scene_points
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from action_msgs.msg import GoalStatus
from control_msgs.action import FollowJointTrajectory, GripperCommand
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Bool, Header, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectoryPoint
from visualization_msgs.msg import MarkerArray
from wall_oss_msgs.action import ExecuteInstruction
from wall_oss_msgs.msg import ActionChunk, Answer, ControlStatus, ModelInfo, Observation, Subtask, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, Ask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.real_time]
bench = pytest.fixture(a_bench)


def test_the_simulated_robot_and_perception(bench):
    observations = bench.listen(Observation, "observation", NEWEST)
    joints = bench.listen(JointState, "/joint_states", SENSOR)
    infos = bench.listen(CameraInfo, PROFILE.views[0].camera_info_topic, SENSOR)
    truth = bench.listen(String, "/simulation/ground_truth", NEWEST)
    reports = bench.listen(DiagnosticArray, "/diagnostics", EVENTS)
    said = {"expert": "e", "robot": robot_identity(PROFILE), "image_size": 112}
    said["view_names"] = [view.name for view in PROFILE.views]
    bench.node.create_publisher(ModelInfo, "model", LATCHED).publish(ModelInfo(**said))
    slow = ("real_time_factor:=0.3", "camera_rate_hz:=4.0", "seed:=3", "colours:=red,green,blue")
    with NodeProcess("simulated_robot", *slow) as robot, NodeProcess("perception", "use_sim_time:=true") as perception:
        bench.until(lambda: len(observations) > 2 and truth and joints and infos)
        assert robot.process.poll() is None and perception.process.poll() is None
        first, last = observations[0], observations[-1]
        assert last.header.stamp != first.header.stamp and last.header.frame_id == "fr3_link0"
        assert list(last.view_names) == [view.name for view in PROFILE.views] and last.robot == robot_identity(PROFILE)
        for view in last.views:
            picture = image_array(view)
            assert picture.shape == (112, 112, 3) and picture.std() > 10, "a picture shows something"
        bench.until(lambda: observation_from(observations[-1]).depths and observation_from(observations[-1]).cameras)
        places, colours = scene_points(observation_from(observations[-1]), voxel=0.01)
        on_table = np.abs(places[:, 2]) < 0.006
        assert len(places) > 1000 and on_table.sum() > 500, "depth, camera and base frame fit together"
        assert np.median(np.ptp(colours[on_table].astype(int), axis=1)) < 30, "the table is grey"
        position, rotation = ARM.fk(np.array(last.joint_positions[:7]))
        state, mask = Layout(PROFILE).pack(position, rotation, 0.08)
        assert np.asarray(last.state) == pytest.approx(state, abs=1e-3)
        assert list(last.state_mask) == mask.tolist()
        assert infos[0].k[0] == infos[0].k[4] > 0 and infos[0].header.frame_id == PROFILE.views[0].optical_frame
        scene = json.loads(truth[-1].data)
        assert set(scene["cubes"]) == {"red", "green", "blue"}
        assert all(cube["where"] == "table" for cube in scene["cubes"].values())

        wrong = FollowJointTrajectory.Goal()
        wrong.trajectory.joint_names = ["elbow"]
        wrong.trajectory.points = [JointTrajectoryPoint(positions=[0.0])]
        assert not bench.send_goal(FollowJointTrajectory, PROFILE.command.action, wrong)[0].accepted
        goal, target = FollowJointTrajectory.Goal(), ARM.home.copy()
        target[0] += 0.1
        goal.trajectory.joint_names = list(PROFILE.arm.joints)
        point = JointTrajectoryPoint(positions=target.tolist(), velocities=[0.0] * 7)
        point.time_from_start.sec = 1
        goal.trajectory.points = [point]
        _, result = bench.send_goal(FollowJointTrajectory, PROFILE.command.action, goal)
        grip = GripperCommand.Goal()
        grip.command.position = 0.02
        _, gripped = bench.send_goal(GripperCommand, PROFILE.gripper.action, grip)
        bench.until(lambda: result.done() and gripped.done())
        assert result.result().result.error_code == FollowJointTrajectory.Result.SUCCESSFUL
        assert gripped.result().result.reached_goal

        def newest(joint):  # states may come in later than results
            return joints[-1].position[joints[-1].name.index(joint)]

        bench.until(lambda: newest("fr3_joint1") == pytest.approx(0.1, abs=0.01))
        bench.until(lambda: newest("fr3_finger_joint1") == pytest.approx(0.02, abs=0.003))
        assert bench.call(Trigger, "/simulation/reset", Trigger.Request()).success
        bench.until(lambda: newest("fr3_joint1") == pytest.approx(0.0, abs=0.01))
        bench.until(lambda: {status.name for report in reports for status in report.status} >= {
            "wall_oss/simulated_robot", "wall_oss/perception"})  # fmt: skip
        stamps = [report.header.stamp.sec for report in reports]
        assert max(stamps) <= joints[-1].header.stamp.sec + 1, "all of them by the simulation's clock"
    assert robot.process.returncode == 0 and perception.process.returncode == 0
    assert "Traceback" not in robot.output + perception.output, robot.output + perception.output


@pytest.mark.parametrize(
    "module, parameter, said",
    [
        ("perception", "robot:=hal9000", "hal9000"),
        ("perception", "rate_hz:=-3.0", "rate_hz"),
        ("perception", "rate_hz:=fast", "rate_hz"),
        ("action_expert", "model:=/nowhere/at/all", "/nowhere/at/all"),
    ],
)
def test_bad_input_ends_a_node_with_one_clear_line(module, parameter, said, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    with NodeProcess(module, parameter) as node:
        assert node.wait() == 2
    errors = [line for line in node.output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and said in errors[0], node.output
    assert "Traceback" not in node.output


def test_control_moves_holds_and_obeys(bench):
    policy = FakePolicy()
    statuses, chunks = bench.listen(ControlStatus, "status", LATCHED), bench.listen(ActionChunk, "action_chunk", EVENTS)
    robot = Robot(bench)
    control = bench.run_control(policy)
    bench.until(in_state(statuses, ControlStatus.IDLE))
    assert "no plan" in statuses[-1].reason and not robot.trajectories

    robot.plan()
    heartbeat = bench.node.create_timer(0.5, robot.plan)
    bench.until(lambda: len(robot.trajectories) > 20 and chunks and robot.openings)
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(lambda: ARM.fk(robot.q)[0][0] > ARM.fk(ARM.home)[0][0] + 0.005)  # it moves forward
    assert robot.openings == [pytest.approx(0.04)], "the gripper is told once"
    chunk = chunks[-1]
    assert (chunk.horizon, chunk.dof, len(chunk.actions), len(chunk.path.poses)) == (10, 20, 200, 10)
    assert chunk.subtask == "go" and chunk.plan_id == 1
    for message in robot.trajectories:
        assert list(message.joint_names) == list(PROFILE.arm.joints)
        assert not np.any(message.points[-1].velocities), "each command ends at rest"

    robot.seeing = False
    bench.until(lambda: statuses[-1].state == ControlStatus.HOLDING and "no observations" in statuses[-1].reason)
    bench.until(lambda: not control.motion.moving)
    robot.seeing = True
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    assert bench.call(Trigger, "stop", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.STOPPED))
    bench.until(lambda: not control.motion.moving)
    assert bench.call(Trigger, "resume", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    button = bench.node.create_publisher(Bool, "emergency_stop", EVENTS)
    bench.until(lambda: button.get_subscription_count() > 0)
    button.publish(Bool(data=True))
    bench.until(lambda: statuses[-1].state == ControlStatus.STOPPED and "emergency" in statuses[-1].reason)
    assert not bench.call(Trigger, "resume", Trigger.Request()).success, "it is still pressed"
    button.publish(Bool(data=False))
    bench.until(lambda: "release" not in statuses[-1].reason)
    assert statuses[-1].state == ControlStatus.STOPPED, "releasing it moves nothing by itself"
    assert bench.call(Trigger, "resume", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    policy.actions = np.full((10, 20), np.nan, np.float32)
    bench.until(lambda: statuses[-1].state == ControlStatus.HOLDING and "finite" in statuses[-1].reason)
    policy.actions = None
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    robot.robot = "another"
    bench.until(lambda: statuses[-1].state == ControlStatus.HOLDING and "another" in statuses[-1].reason)
    robot.robot = robot_identity(PROFILE)
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    heartbeat.cancel()
    bench.until(lambda: statuses[-1].state == ControlStatus.HOLDING and "planner" in statuses[-1].reason)
    robot.plan(SubtaskPlan.NO_PLAN, plan_id=0)  # a new planner, which has none
    bench.until(lambda: (statuses[-1].state, statuses[-1].reason) == (ControlStatus.IDLE, "no plan yet"))
    robot.plan(SubtaskPlan.SUCCEEDED)
    bench.until(lambda: statuses[-1].state == ControlStatus.IDLE and "succeeded" in statuses[-1].reason)


def test_control_stops_where_the_arm_is_pushed_and_goes_on_only_by_a_person(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    limit = PROFILE.arm.force.max_force
    robot.pushed = None
    control = bench.run_control(FakePolicy())
    bench.node.create_timer(0.5, robot.plan)

    def says(state, words):
        return lambda: statuses and statuses[-1].state == state and words in statuses[-1].reason

    bench.until(says(ControlStatus.HOLDING, f"nothing from {PROFILE.arm.force.topic} yet"))
    assert not robot.trajectories, "nothing moves before it is known how hard the arm is pushed"
    robot.pushed = limit - 1
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(lambda: len(robot.trajectories) > 20)

    robot.pushed = -(limit + 20)
    bench.until(says(ControlStatus.STOPPED, f"a force of {limit + 20:.0f} N at the arm, {limit:g} N permitted"))
    bench.until(lambda: not control.motion.moving)
    refused = bench.call(Trigger, "resume", Trigger.Request())
    sent = len(robot.trajectories)
    assert not refused.success and "a force of" in refused.message, "something still pushes"
    assert statuses[-1].state == ControlStatus.STOPPED
    robot.pushed = 0.0
    bench.until(lambda: control._monitor.pushed == "")
    assert statuses[-1].state == ControlStatus.STOPPED, "and nothing moves by itself when that has gone"
    assert all(not np.any(message.points[0].velocities) for message in robot.trajectories[sent:])
    assert bench.call(Trigger, "resume", Trigger.Request()).success
    bench.until(in_state(statuses, ControlStatus.RUNNING))

    robot.pushed = None
    bench.until(says(ControlStatus.HOLDING, f"nothing from {PROFILE.arm.force.topic} for"))
    robot.pushed = float("nan")
    bench.until(says(ControlStatus.HOLDING, "the force at the arm is not a finite number"))
    robot.pushed = 0.0
    bench.until(in_state(statuses, ControlStatus.RUNNING))


def test_control_holds_where_the_driver_describes_another_robot(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    descriptions = bench.node.create_publisher(String, "/robot_description", LATCHED)
    descriptions.publish(String(data=load_profile("ur").urdf_path.read_text()))
    bench.run_control(FakePolicy())
    bench.node.create_timer(0.5, robot.plan)
    bench.until(
        lambda: statuses and statuses[-1].state == ControlStatus.HOLDING and "has no fr3_joint1" in statuses[-1].reason
    )
    sent = len(robot.trajectories)
    descriptions.publish(String(data=PROFILE.urdf_path.read_text()))
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(lambda: len(robot.trajectories) > sent + 5)


def test_mock_hardware_that_measures_no_force_can_be_moved(bench):
    statuses, robot = bench.listen(ControlStatus, "status", LATCHED), Robot(bench)
    robot.pushed = None
    bench.run_control(FakePolicy(), watch_forces=False)
    bench.node.create_timer(0.5, robot.plan)
    bench.until(in_state(statuses, ControlStatus.RUNNING))
    bench.until(lambda: len(robot.trajectories) > 5)


def test_a_manager_can_drive_a_node_through_its_states(bench):
    diagnostics = bench.listen(DiagnosticArray, "/diagnostics", EVENTS)
    markers = bench.listen(MarkerArray, "plan_markers", LATCHED)
    node = bench.run(PlanMarkersNode(parameter_overrides=[Parameter("autostart", value=False)]))
    bench.until(lambda: diagnostics)
    status = diagnostics[-1].status[0]
    assert (status.name, status.hardware_id, status.message) == ("wall_oss/plan_markers", "franka", "not active")
    plan = SubtaskPlan(header=Header(frame_id="base"), plan_id=1, instruction="tidy up", status=SubtaskPlan.RUNNING)
    bench.node.create_publisher(SubtaskPlan, "plan", LATCHED).publish(plan)

    def change(transition):
        request = ChangeState.Request()
        request.transition.id = transition
        return bench.call(ChangeState, "plan_markers/change_state", request).success

    assert change(Transition.TRANSITION_CONFIGURE) and not node.active
    assert change(Transition.TRANSITION_ACTIVATE) and node.active
    bench.until(lambda: markers and markers[-1].markers[1].text.startswith("tidy up"))
    assert markers[-1].markers[-1].ns == "workspace"
    bench.until(lambda: diagnostics[-1].status[0].message.startswith("showing plan 1"))
    assert change(Transition.TRANSITION_DEACTIVATE) and not node.active
    assert change(Transition.TRANSITION_ACTIVATE) and change(Transition.TRANSITION_DEACTIVATE)
    assert change(Transition.TRANSITION_CLEANUP) and change(Transition.TRANSITION_CONFIGURE)
    bench.until(lambda: diagnostics[-1].status[0].message == "not active")
    described = node.describe_parameter("rate_hz")
    assert described.read_only and described.floating_point_range[0].to_value == 60.0 and "Hz" in described.description
    refused = node.set_parameters([Parameter("text_height", value=50.0), Parameter("rate_hz", value=1.0)])
    assert [result.successful for result in refused] == [False, False]
    assert node.set_parameters([Parameter("text_height", value=0.1)])[0].successful


def test_planner_by_topic_action_and_services(bench):
    policy = FakePolicy()
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    logged = bench.listen(Log, "/rosout", EVENTS)
    robot = Robot(bench)
    planner = bench.run(PlannerNode(policy_loader=lambda *_: policy))
    instructions = bench.node.create_publisher(String, "instruction", EVENTS)
    bench.until(lambda: instructions.get_subscription_count() > 0)

    bench.until(lambda: plans)
    assert (plans[0].plan_id, plans[0].instruction) == (0, ""), "a planner that has just started has no plan"
    assert (plans[0].status, plans[0].message) == (SubtaskPlan.NO_PLAN, "No plan yet."), "and none was cancelled"
    instructions.publish(String(data="frobnicate the cube"))
    bench.until(lambda: plans and plans[-1].status == SubtaskPlan.FAILED)
    assert "frobnicate" in plans[-1].message

    instructions.publish(String(data="put the red cube in the left tray"))
    bench.until(lambda: plans[-1].status == SubtaskPlan.RUNNING)
    running = plans[-1]
    assert [subtask.text for subtask in running.subtasks] == ["pick up the red cube", "place it in the left tray"]
    assert running.active == 0 and running.subtasks[0].status == Subtask.ACTIVE
    assert running.header.frame_id == "fr3_link0"
    count = len(plans)
    # The heartbeat repeats the plan as it is; between two, it is judged anew.
    bench.until(lambda: len(plans) > count and plans[-1].header.stamp == plans[-2].header.stamp)
    assert plans[-1].judged.sec > 0 and plans[-1].judgement == "pick up the red cube"
    told = [line.msg for line in logged if line.name.endswith("planner")]
    assert [line for line in told if "running" in line] == ["Plan 2 running, now: pick up the red cube"], "once"
    assert not any("All is ready" in line for line in told), "control has said nothing yet"

    told = bench.listen(Answer, "answers", EVENTS)
    bench.until(lambda: planner._answers_out.get_subscription_count() == 1)
    answer = bench.call(Ask, "ask", Ask.Request(question="where is it?"))
    assert answer.success and answer.answer == "you asked: where is it?"
    failed = bench.call(Ask, "ask", Ask.Request(question=" "))
    assert not failed.success
    bench.until(lambda: len(told) == 2)
    assert [(one.question, one.success, one.answer) for one in told] == [
        ("where is it?", True, answer.answer), (" ", False, ""),
    ]  # fmt: skip
    assert told[1].message == failed.message and told[0].header.stamp.sec > 0
    assert not bench.call(ApprovePlan, "approve_plan", ApprovePlan.Request(approve=True)).success
    assert bench.call(Trigger, "cancel_plan", Trigger.Request()).success, "though it came by a topic"
    bench.until(lambda: plans[-1].status == SubtaskPlan.CANCELLED)
    assert not bench.call(Trigger, "cancel_plan", Trigger.Request()).success

    feedback = []
    goal = ExecuteInstruction.Goal(instruction="do both")
    _, result = bench.send_goal(ExecuteInstruction, "execute", goal, lambda message: feedback.append(message.feedback))
    bench.until(lambda: feedback and feedback[-1].count)
    assert (feedback[-1].index, feedback[-1].progress) == (0, 0.0)
    bench.until(lambda: feedback[-1].holding == "nothing has been heard of control")
    statuses = bench.node.create_publisher(ControlStatus, "status", LATCHED)
    status = ControlStatus(state=ControlStatus.STOPPED, reason="stopped by a person", robot=robot_identity(PROFILE))
    status.planner, status.plan_id = plans[-1].planner, plans[-1].plan_id
    statuses.publish(status)
    bench.until(lambda: feedback[-1].holding == "stopped: stopped by a person")
    status.state, status.reason = ControlStatus.RUNNING, ""
    statuses.publish(status)
    bench.until(lambda: feedback[-1].holding == "")
    bench.until(lambda: feedback[-1].holding == "control has been silent for more than 3 s")
    policy.answer = "place it in the left tray"
    bench.until(lambda: feedback[-1].index == 1 and feedback[-1].progress == 0.5)
    policy.answer = "done"
    bench.until(result.done)
    assert result.result().status == GoalStatus.STATUS_SUCCEEDED and result.result().result.success
    assert result.result().result.plan.status == SubtaskPlan.SUCCEEDED

    policy.answer = "pick up the red cube"
    handle, result = bench.send_goal(ExecuteInstruction, "execute", ExecuteInstruction.Goal(instruction="again"))
    bench.until(lambda: plans[-1].status == SubtaskPlan.RUNNING and plans[-1].instruction == "again")
    bench.until(handle.cancel_goal_async().done)
    bench.until(result.done)
    assert result.result().status == GoalStatus.STATUS_CANCELED
    bench.until(lambda: plans[-1].status == SubtaskPlan.CANCELLED)
    status.state = ControlStatus.IDLE
    for _ in range(2):
        statuses.publish(status)
    bench.until(lambda: any("All is ready" in line.msg for line in logged))
    refused, _ = bench.send_goal(ExecuteInstruction, "execute", ExecuteInstruction.Goal(instruction=" "))
    assert not refused.accepted
    assert robot.trajectories == [] and planner.active
    (ready,) = (line.msg for line in logged if "All is ready" in line.msg)
    assert ready.startswith(f"All is ready: {PROFILE.full_name} waits for an instruction on /")

    goal = ExecuteInstruction.Goal(instruction="to be cut short")
    _, result = bench.send_goal(ExecuteInstruction, "execute", goal)
    bench.until(lambda: plans[-1].status == SubtaskPlan.RUNNING and plans[-1].planner == running.planner)
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert bench.call(ChangeState, "planner/change_state", change).success
    bench.until(result.done)
    assert result.result().status == GoalStatus.STATUS_ABORTED
    assert "shut down" in result.result().result.message and result.result().result.plan.ended.sec > 0


def test_a_planner_that_is_ended_tells_its_clients(bench):
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    with NodeProcess("planner", "observation_timeout_s:=60.0") as planner:
        goal = ExecuteInstruction.Goal(instruction="put the red cube in the left tray")
        _, result = bench.send_goal(ExecuteInstruction, "execute", goal)  # which waits for an observation
        planner.process.send_signal(signal.SIGINT)
        bench.until(result.done)
        assert result.result().status == GoalStatus.STATUS_ABORTED
        assert "shut down" in result.result().result.message
        assert planner.wait() == 0
    bench.until(lambda: plans[-1].status == SubtaskPlan.CANCELLED)


def test_clients_that_wait_for_the_model_keep_nobody_from_the_planner(bench):
    """The model hangs; many ask and many give goals; the heartbeat goes on and every goal returns."""
    policy, gate = FakePolicy(), threading.Event()
    policy.reason = lambda *_: gate.wait(LIMIT) and "done"
    plans = bench.listen(SubtaskPlan, "plan", LATCHED)
    Robot(bench)
    planner = bench.run(PlannerNode(policy_loader=lambda *_: policy, parameter_overrides=[
        Parameter("model_timeout_s", value=4.0), Parameter("ask_timeout_s", value=60.0),
    ]))  # fmt: skip
    bench.until(lambda: planner._observed is not None)
    results = [bench.send_goal(ExecuteInstruction, "execute", ExecuteInstruction.Goal(instruction="on"))[1]]
    asking = bench.node.create_client(Ask, "ask")
    bench.until(asking.service_is_ready)
    questions = [asking.call_async(Ask.Request(question="where?")) for _ in range(8)]
    results += [
        bench.send_goal(ExecuteInstruction, "execute", ExecuteInstruction.Goal(instruction=f"{n}"))[1] for n in range(6)
    ]
    bench.until(lambda: sum(question.done() for question in questions) == 5)
    assert all("others are asking" in question.result().message for question in questions if question.done())
    bench.until(lambda: all(result.done() for result in results))
    assert "not answered for more than 4 s" in results[-1].result().result.message
    assert all("Replaced" in result.result().result.message for result in results[:-1])
    count = len(plans)
    bench.until(lambda: len(plans) > count + 1)
    gate.set()
    bench.until(lambda: all(question.done() for question in questions))
