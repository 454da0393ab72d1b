"""The visitor's body over time: from the landmarks of frame after frame to a steady body on the floor."""

import numpy as np

from engine.visitor.landmarks import (
    FEET,
    BodyLandmarks,
    joint_confidence,
    joints_around_pelvis,
    metres_per_pixel,
    sideways_place,
    stand,
)
from engine.visitor.occlusion_filter import LOST_BELOW, OcclusionFilter
from engine.visitor.one_euro import OneEuroFilter
from engine.visitor.person_tracker import SideSwapFilter
from engine.visitor.tilt_correction import TiltCorrection
from models.motion.skeleton import JOINT_COUNT, FloatArray

DEPTH_MIN_CUTOFF = 1.0
DEPTH_BETA = 1.0
"""One-Euro parameters for depth, which one camera sees badly: on the reference video it jitters three times as
much as height and width together, and these take it from 98 to 18 mm a frame for a lag of 67 ms."""
PIXEL_SIZE_TIME_CONSTANT_S = 0.5
"""Seconds of the mean of the metres per pixel: its noise would throw a body far from the middle to and fro."""


class PoseFilter:
    """Follows one visitor; make a new one when another comes."""

    def __init__(self) -> None:
        self._flips = SideSwapFilter()
        self._upright = TiltCorrection()
        self._held = OcclusionFilter()
        self._smooth_picture = OneEuroFilter()
        self._smooth_depth = OneEuroFilter(DEPTH_MIN_CUTOFF, DEPTH_BETA)
        self._smooth_sideways = OneEuroFilter()
        self._joints: FloatArray = np.zeros((JOINT_COUNT, 3))
        self._sideways = 0.0
        self._pixel_size: float | None = None
        self._time = 0.0

    def update(self, body: BodyLandmarks, picture_width: int, time: float) -> tuple[FloatArray, FloatArray]:
        """Positions (17, 3) on the floor and confidence (17,), float32, of a body seen at `time` in seconds."""
        body = self._flips(body, time)
        confidence = joint_confidence(body)
        legs_seen = bool((confidence[FEET] >= LOST_BELOW).all())
        seen = joints_around_pelvis(body)
        # Before anything turns the body, because depth is noisier only along the line of sight.
        plane, depth = self._smooth_picture(seen[:, :2], time), self._smooth_depth(seen[:, 2:], time)
        self._joints = self._upright(np.concatenate([plane, depth], axis=1), legs_seen, time)
        self._sideways = sideways_place(body, picture_width, self._steady_pixel_size(body, time))
        self._time = time
        return self._steady(confidence, time), np.clip(confidence, 0.0, 1.0).astype(np.float32)

    def predict(self, time: float) -> tuple[FloatArray, FloatArray]:
        """Positions and confidence (all 0) at a `time` at which the visitor was not found."""
        confidence = np.zeros(JOINT_COUNT, dtype=np.float32)
        return self._steady(confidence, time), confidence

    def _steady(self, confidence: FloatArray, time: float) -> FloatArray:
        joints = self._held(self._joints, confidence, time)
        sideways = self._smooth_sideways(np.array([self._sideways]), time)[0]
        return stand(joints, sideways).astype(np.float32)

    def _steady_pixel_size(self, body: BodyLandmarks, time: float) -> float:
        measured = metres_per_pixel(body)
        if self._pixel_size is None:
            self._pixel_size = measured
        share = 1.0 - np.exp(-max(time - self._time, 0.0) / PIXEL_SIZE_TIME_CONSTANT_S)
        self._pixel_size += float(share) * (measured - self._pixel_size)
        return self._pixel_size
