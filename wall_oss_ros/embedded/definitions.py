# SPDX-License-Identifier: Apache-2.0
"""Interfaces that rosbags' store does not have: services, actions, control_msgs, and what some drivers expect.

Only the fields, as the wire needs them; their meaning is documented in the packages that define them.
"""

_GRIPPER_STATE = "float64 position\nfloat64 effort\nbool stalled\nbool reached_goal"

_TRAJECTORY_FEEDBACK = (
    "std_msgs/Header header\nstring[] joint_names\n"
    + "".join(f"trajectory_msgs/JointTrajectoryPoint {part}\n" for part in ("desired", "actual", "error"))
    + "string[] multi_dof_joint_names\n"
    + "".join(
        f"trajectory_msgs/MultiDOFJointTrajectoryPoint multi_dof_{part}\n" for part in ("desired", "actual", "error")
    )
)

_CONTROLLER_PARTS = ("reference", "feedback", "error", "output")

MESSAGES = {
    "control_msgs/GripperCommand": "float64 position\nfloat64 max_effort",
    "control_msgs/JointTolerance": "string name\nfloat64 position\nfloat64 velocity\nfloat64 acceleration",
    "control_msgs/JointComponentTolerance": (
        "uint16 X_AXIS=1\nuint16 Y_AXIS=2\nuint16 Z_AXIS=3\nuint16 TRANSLATION=4\nuint16 ROTATION=5\n"
        "string joint_name\nuint16 component\nfloat64 position\nfloat64 velocity\nfloat64 acceleration"
    ),
    "control_msgs/JointTrajectoryControllerState": (
        "std_msgs/Header header\nstring[] joint_names\n"
        + "".join(f"trajectory_msgs/JointTrajectoryPoint {part}\n" for part in _CONTROLLER_PARTS)
        + "string[] multi_dof_joint_names\n"
        + "".join(f"trajectory_msgs/MultiDOFJointTrajectoryPoint multi_dof_{part}\n" for part in _CONTROLLER_PARTS)
        + "float64 speed_scaling_factor"
    ),
    "control_msgs/JointJog": (
        "std_msgs/Header header\nstring[] joint_names\nfloat64[] displacements\nfloat64[] velocities\nfloat64 duration"
    ),
    "controller_manager_msgs/ChainConnection": "string name\nstring[] reference_interfaces",
    "controller_manager_msgs/ControllerState": (
        "string name\nstring state\nstring type\nbool is_async\nuint16 update_rate\nstring[] claimed_interfaces\n"
        "string[] required_command_interfaces\nstring[] required_state_interfaces\nbool is_chainable\nbool is_chained\n"
        "string[] exported_state_interfaces\nstring[] reference_interfaces\n"
        "controller_manager_msgs/ChainConnection[] chain_connections"
    ),
    "interbotix_xs_msgs/JointGroupCommand": "string name\nfloat32[] cmd",
    "interbotix_xs_msgs/JointSingleCommand": "string name\nfloat32 cmd",
}

SERVICES = {
    "std_srvs/Empty": "---\n",
    "std_srvs/SetBool": "bool data\n---\nbool success\nstring message",
    "std_srvs/Trigger": "---\nbool success\nstring message",
    "rcl_interfaces/DescribeParameters": "string[] names\n---\nrcl_interfaces/ParameterDescriptor[] descriptors",
    "rcl_interfaces/GetParameters": "string[] names\n---\nrcl_interfaces/ParameterValue[] values",
    "rcl_interfaces/GetParameterTypes": "string[] names\n---\nuint8[] types",
    "rcl_interfaces/ListParameters": (
        "uint64 DEPTH_RECURSIVE=0\nstring[] prefixes\nuint64 depth\n---\nrcl_interfaces/ListParametersResult result"
    ),
    "rcl_interfaces/SetParameters": (
        "rcl_interfaces/Parameter[] parameters\n---\nrcl_interfaces/SetParametersResult[] results"
    ),
    "rcl_interfaces/SetParametersAtomically": (
        "rcl_interfaces/Parameter[] parameters\n---\nrcl_interfaces/SetParametersResult result"
    ),
    "rcl_interfaces/GetLoggerLevels": "string[] names\n---\nrcl_interfaces/LoggerLevel[] levels",
    "rcl_interfaces/SetLoggerLevels": (
        "rcl_interfaces/LoggerLevel[] levels\n---\nrcl_interfaces/SetLoggerLevelsResult[] results"
    ),
    "lifecycle_msgs/ChangeState": "lifecycle_msgs/Transition transition\n---\nbool success",
    "lifecycle_msgs/GetState": "---\nlifecycle_msgs/State current_state",
    "lifecycle_msgs/GetAvailableStates": "---\nlifecycle_msgs/State[] available_states",
    "lifecycle_msgs/GetAvailableTransitions": ("---\nlifecycle_msgs/TransitionDescription[] available_transitions"),
    "action_msgs/CancelGoal": (
        "action_msgs/GoalInfo goal_info\n---\n"
        "int8 ERROR_NONE=0\nint8 ERROR_REJECTED=1\nint8 ERROR_UNKNOWN_GOAL_ID=2\nint8 ERROR_GOAL_TERMINATED=3\n"
        "int8 return_code\naction_msgs/GoalInfo[] goals_canceling"
    ),
    "controller_manager_msgs/ListControllers": "---\ncontroller_manager_msgs/ControllerState[] controller",
    "tf2_msgs/FrameGraph": "---\nstring frame_yaml",
    "sensor_msgs/SetCameraInfo": "sensor_msgs/CameraInfo camera_info\n---\nbool success\nstring status_message",
}

ACTIONS = {
    "control_msgs/FollowJointTrajectory": (
        "trajectory_msgs/JointTrajectory trajectory\n"
        "trajectory_msgs/MultiDOFJointTrajectory multi_dof_trajectory\n"
        "control_msgs/JointTolerance[] path_tolerance\n"
        "control_msgs/JointComponentTolerance[] component_path_tolerance\n"
        "control_msgs/JointTolerance[] goal_tolerance\n"
        "control_msgs/JointComponentTolerance[] component_goal_tolerance\n"
        "builtin_interfaces/Duration goal_time_tolerance\n"
        "---\n"
        "int32 SUCCESSFUL=0\nint32 INVALID_GOAL=-1\nint32 INVALID_JOINTS=-2\nint32 OLD_HEADER_TIMESTAMP=-3\n"
        "int32 PATH_TOLERANCE_VIOLATED=-4\nint32 GOAL_TOLERANCE_VIOLATED=-5\n"
        "int32 error_code\nstring error_string\n"
        "---\n" + _TRAJECTORY_FEEDBACK
    ),
    "control_msgs/GripperCommand": f"control_msgs/GripperCommand command\n---\n{_GRIPPER_STATE}\n---\n{_GRIPPER_STATE}",
    "control_msgs/ParallelGripperCommand": (
        "sensor_msgs/JointState command\n---\nsensor_msgs/JointState state\nbool stalled\nbool reached_goal\n"
        "---\nsensor_msgs/JointState state"
    ),
}
