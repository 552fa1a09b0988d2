"""As moveit.core: robot states and models."""
