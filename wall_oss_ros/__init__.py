"""WALL-OSS, an open vision-language-action model, on robots that speak ROS 2."""
