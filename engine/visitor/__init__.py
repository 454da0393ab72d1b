"""The visitor: camera, video or OSC in; one filtered pose and the emotion of the movement out."""
