"""What the nodes decide, in plain Python and NumPy: no ROS, no threads unless the module is about them."""
