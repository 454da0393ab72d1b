"""Finds the pose model: the one given, the one in the cache, the official one, or one made from a PyPI wheel.

MediaPipe wants one bundle (`pose_landmarker_full.task`, a zip of two TensorFlow Lite networks) that no package
ships. Google's storage has it; where that cannot be reached, the same two networks come out of the wheel of
mediapipe 0.10.21. The networks are BlazePose by Google (Bazarevsky et al. 2020, arXiv:2006.10204), Apache-2.0.
"""

import logging
import subprocess
import zipfile
from pathlib import Path

from engine.visitor.pose_bundle import HOW_TO, MODEL_NAME, PoseModelError, cache_folder, check_bundle
from models.data.atomic_write import replacing

log = logging.getLogger("engine.visitor.pose_model")


def find_pose_model(path: Path | None = None) -> Path:
    """The path of a usable pose model, fetched or built and kept in the cache where need be.

    With a `path` only that file will do. May take minutes the first time. Raises PoseModelError.
    """
    if path is not None:
        check_bundle(path)
        return path
    cached = cache_folder() / MODEL_NAME
    if cached.is_file():
        try:
            check_bundle(cached)
            return cached
        except PoseModelError as error:
            log.warning("%s; getting it anew", error)
    from engine.visitor.pose_model_build import build_from_wheel, download_official  # seldom needed

    complaints = []
    for source in (download_official, build_from_wheel):
        try:
            content = source()
            cached.parent.mkdir(parents=True, exist_ok=True)
            with replacing(cached) as unfinished:
                unfinished.write_bytes(content)
            check_bundle(cached)
            log.info("pose model ready: %s (networks by Google, Apache-2.0)", cached)
            return cached
        except (PoseModelError, OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            complaints.append(str(error).splitlines()[0][:200] if str(error) else type(error).__name__)
            log.info("%s: %s", source.__name__.replace("_", " "), complaints[-1])
    raise PoseModelError(f"no pose model ({'; '.join(complaints)}): {HOW_TO}")
