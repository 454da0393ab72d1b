"""The body: skeleton, pose features, rotations, inertialization and foot contact."""
