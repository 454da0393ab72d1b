"""The bundle of pose networks: where it is kept, and whether a file is one."""

import os
import sys
import zipfile
import zlib
from pathlib import Path

OFFICIAL_MODEL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/1/"
    "pose_landmarker_full.task"
)
MODEL_NAME = "pose_landmarker_full.task"
DETECTOR = "pose_detector.tflite"
LANDMARKER = "pose_landmarks_detector.tflite"
MAX_NETWORK = 64 * 2**20
MIN_NETWORK = 100_000
HOW_TO = (
    f"get {MODEL_NAME} from {OFFICIAL_MODEL} on a machine with internet and name it in --config as pose_model"
)


class PoseModelError(Exception):
    """There is no usable pose model; the message says in one line how to provide one."""


def cache_folder() -> Path:
    """Where this platform keeps files that can be made again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "emotion-dancer"


def check_bundle(path: Path) -> None:
    """Raises PoseModelError unless `path` is a zip with both networks, whole and of a sensible size."""
    try:
        with zipfile.ZipFile(path) as bundle:
            for name in (DETECTOR, LANDMARKER):
                member = bundle.getinfo(name)
                size = member.file_size
                # zipfile unpacks what is compressed in another way without looking how much it is
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise PoseModelError(f"{path}: {name} is compressed in a strange way; {HOW_TO}")
                if not MIN_NETWORK <= size <= MAX_NETWORK:
                    raise PoseModelError(f"{path}: {name} has {size} bytes, which cannot be; {HOW_TO}")
                if bundle.read(name)[4:8] != b"TFL3":
                    raise PoseModelError(f"{path}: {name} is not a TensorFlow Lite network; {HOW_TO}")
    except OSError as error:
        raise PoseModelError(f"{path}: {error.strerror or 'cannot be read'}; {HOW_TO}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise PoseModelError(f"{path}: not a pose_landmarker bundle ({error}); {HOW_TO}") from None
