# SPDX-License-Identifier: Apache-2.0
"""Interfaces that rosbags' store does not have: services, actions, control_msgs, example_interfaces, and what some
drivers expect.

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

_NUMBERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
_CAMEL = {name: name.capitalize().replace("Uint", "UInt") for name in (*_NUMBERS, "byte")}
_SET_BOOL, _TRIGGER = "bool data\n---\nbool success\nstring message", "---\nbool success\nstring message"
_OUTCOME = "bool success\nstring error_message"

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
    "example_interfaces/Empty": "",
    **{f"example_interfaces/{name.capitalize()}": f"{name} data" for name in ("bool", "char", "string")},
    "example_interfaces/WString": "wstring data",
    **{f"example_interfaces/{camel}": f"{name} data" for name, camel in _CAMEL.items()},
    **{
        f"example_interfaces/{camel}MultiArray": f"example_interfaces/MultiArrayLayout layout\n{name}[] data"
        for name, camel in _CAMEL.items()
    },
    "example_interfaces/MultiArrayDimension": "string label\nuint32 size\nuint32 stride",
    "example_interfaces/MultiArrayLayout": "example_interfaces/MultiArrayDimension[] dim\nuint32 data_offset",
    "interbotix_xs_msgs/JointGroupCommand": "string name\nfloat32[] cmd",
    "interbotix_xs_msgs/JointSingleCommand": "string name\nfloat32 cmd",
}

SERVICES = {
    "std_srvs/Empty": "---\n",
    "std_srvs/SetBool": _SET_BOOL,
    "std_srvs/Trigger": _TRIGGER,
    "example_interfaces/SetBool": _SET_BOOL,
    "example_interfaces/Trigger": _TRIGGER,
    "example_interfaces/AddTwoInts": "int64 a\nint64 b\n---\nint64 sum",
    "diagnostic_msgs/AddDiagnostics": "string load_namespace\n---\nbool success\nstring message",
    "diagnostic_msgs/SelfTest": "---\nstring id\nbyte passed\ndiagnostic_msgs/DiagnosticStatus[] status",
    "nav_msgs/GetMap": "---\nnav_msgs/OccupancyGrid map",
    "nav_msgs/GetPlan": (
        "geometry_msgs/PoseStamped start\ngeometry_msgs/PoseStamped goal\nfloat32 tolerance\n---\nnav_msgs/Path plan"
    ),
    "nav_msgs/LoadMap": (
        "string map_url\n---\nuint8 RESULT_SUCCESS=0\nuint8 RESULT_MAP_DOES_NOT_EXIST=1\n"
        "uint8 RESULT_INVALID_MAP_DATA=2\nuint8 RESULT_INVALID_MAP_METADATA=3\nuint8 RESULT_UNDEFINED_FAILURE=255\n"
        "nav_msgs/OccupancyGrid map\nuint8 result"
    ),
    "nav_msgs/SetMap": (
        "nav_msgs/OccupancyGrid map\ngeometry_msgs/PoseWithCovarianceStamped initial_pose\n---\nbool success"
    ),
    "visualization_msgs/GetInteractiveMarkers": (
        "---\nuint64 sequence_number\nvisualization_msgs/InteractiveMarker[] markers"
    ),
    "composition_interfaces/ListNodes": "---\nstring[] full_node_names\nuint64[] unique_ids",
    "composition_interfaces/LoadNode": (
        "string package_name\nstring plugin_name\nstring node_name\nstring node_namespace\nuint8 log_level\n"
        "string[] remap_rules\nrcl_interfaces/Parameter[] parameters\nrcl_interfaces/Parameter[] extra_arguments\n---\n"
        f"{_OUTCOME}\nstring full_node_name\nuint64 unique_id"
    ),
    "composition_interfaces/UnloadNode": f"uint64 unique_id\n---\n{_OUTCOME}",
    "type_description_interfaces/GetTypeDescription": (
        "string type_name\nstring type_hash\nbool include_type_sources true\n---\nbool successful\n"
        "string failure_reason\ntype_description_interfaces/TypeDescription type_description\n"
        "type_description_interfaces/TypeSource[] type_sources\n"
        "type_description_interfaces/KeyValue[] extra_information"
    ),
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
    "example_interfaces/Fibonacci": "int32 order\n---\nint32[] sequence\n---\nint32[] sequence",
    "tf2_msgs/LookupTransform": (
        "string target_frame\nstring source_frame\nbuiltin_interfaces/Time source_time\n"
        "builtin_interfaces/Duration timeout\nbuiltin_interfaces/Time target_time\nstring fixed_frame\nbool advanced\n"
        "---\ngeometry_msgs/TransformStamped transform\ntf2_msgs/TF2Error error\n---\n"
    ),
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
