"""Finds the pose model: the one given, the one in the cache, the official one, or one made from a PyPI wheel.

MediaPipe wants one bundle (`pose_landmarker_full.task`, a zip of two TensorFlow Lite networks) that no package
ships. Google's storage has it; where that cannot be reached, the same two networks come out of the wheel of
mediapipe 0.10.21. The networks are BlazePose by Google (Bazarevsky et al. 2020, arXiv:2006.10204), Apache-2.0.
"""

import hashlib
import io
import logging
import os
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

OFFICIAL_MODEL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_full/float16/1/"
    "pose_landmarker_full.task"
)
MODEL_NAME = "pose_landmarker_full.task"
DETECTOR = "pose_detector.tflite"
LANDMARKER = "pose_landmarks_detector.tflite"

WHEEL = "mediapipe==0.10.21"
WHEEL_BYTES = 35_600_000
WHEEL_PLATFORM = (
    *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"),
    *("--platform", "manylinux_2_28_x86_64"),
)
"""Only the two networks are read from the wheel, so one platform's wheel serves every machine."""

WHEEL_NETWORKS = {
    DETECTOR: (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        2_959_046,
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    LANDMARKER: (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        6_440_512,
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
}
"""Name in the bundle -> member of the wheel, its size in bytes and its SHA-256."""

ZIP_HEADER_BYTES = 30
ZIP_PADDING_FIELD = 0xD935
ZIP_ALIGNMENT = 64

MAX_NETWORK = 64 * 2**20
MIN_NETWORK = 100_000
CONNECT_TIMEOUT = 5.0
DOWNLOAD_TIMEOUT = 120.0
WHEEL_TIMEOUT = 300.0

HOW_TO = (
    f"get {MODEL_NAME} from {OFFICIAL_MODEL} on a machine with internet and name it in --config as pose_model"
)

log = logging.getLogger("engine.visitor.pose_model")


class PoseModelError(Exception):
    """There is no usable pose model; the message says in one line how to provide one."""


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
    complaints = []
    for source in (download_official, build_from_wheel):
        try:
            write_atomically(cached, source())
            check_bundle(cached)
            log.info("pose model ready: %s (networks by Google, Apache-2.0)", cached)
            return cached
        except (PoseModelError, OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            complaints.append(str(error).splitlines()[0][:200] if str(error) else type(error).__name__)
            log.info("%s: %s", source.__name__.replace("_", " "), complaints[-1])
    raise PoseModelError(f"no pose model ({'; '.join(complaints)}): {HOW_TO}")


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


UNSEEN = sys.stderr is None or not sys.stderr.isatty()
"""Whether there is nobody to show progress to, as under pythonw."""


def download_official() -> bytes:
    """The bundle from Google's model storage. Raises OSError, PoseModelError."""
    deadline = time.perf_counter() + DOWNLOAD_TIMEOUT
    parts: list[bytes] = []
    with urllib.request.urlopen(OFFICIAL_MODEL, timeout=CONNECT_TIMEOUT) as response:
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(total=total, unit="B", unit_scale=True, desc="pose model", disable=UNSEEN) as progress:
            received = 0
            while part := response.read(2**16):
                parts.append(part)
                received += len(part)
                progress.update(len(part))
                if received > 2 * MAX_NETWORK or time.perf_counter() > deadline:
                    raise PoseModelError("the download is too large or too slow")
    return b"".join(parts)


def build_from_wheel() -> bytes:
    """The bundle made of the two networks in the wheel. Raises PoseModelError, OSError, SubprocessError."""
    with tempfile.TemporaryDirectory(prefix="emotion-dancer-") as folder:
        wheel = download_wheel(Path(folder))
        networks = {name: read_network(wheel, *where) for name, where in WHEEL_NETWORKS.items()}
    networks[LANDMARKER] = with_pixel_range(networks[LANDMARKER])
    bundle = io.BytesIO()
    # MediaPipe maps the members straight out of the file, so they must be neither compressed nor unaligned.
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as target:
        for name, network in networks.items():
            entry = zipfile.ZipInfo(name)
            entry.extra = zip_padding(bundle.tell() + ZIP_HEADER_BYTES + len(name))
            target.writestr(entry, network)
    return bundle.getvalue()


def zip_padding(offset: int) -> bytes:
    """An extra field for a member whose content would start at `offset`, so that it starts at a multiple of 64.

    The field has the form that zipalign of Android gives it: an identifier, its length and zeros.
    """
    length = -(offset + 4) % ZIP_ALIGNMENT
    return struct.pack("<HH", ZIP_PADDING_FIELD, length) + bytes(length)


def download_wheel(folder: Path) -> Path:
    """Fetch the wheel into `folder` with pip. Raises PoseModelError, SubprocessError, OSError."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [*WHEEL_PLATFORM, "--timeout", "15", "--retries", "1", "--dest", str(folder), WHEEL]
    # With its temporary files in our folder the download can be watched as it grows.
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    deadline = time.perf_counter() + WHEEL_TIMEOUT
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        with tqdm(
            total=WHEEL_BYTES, unit="B", unit_scale=True, desc=f"pose model from {WHEEL}", disable=UNSEEN
        ) as progress:
            while process.poll() is None:
                if time.perf_counter() > deadline:
                    raise PoseModelError(f"pip took more than {WHEEL_TIMEOUT:g} s for {WHEEL}")
                time.sleep(0.2)
                progress.update(min(_bytes_under(folder), WHEEL_BYTES) - progress.n)
        said = process.communicate()[1].decode(errors="replace").strip().splitlines()
    finally:
        process.kill()
        process.wait()
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or not wheels:
        raise PoseModelError(f"pip could not get {WHEEL}: {said[-1] if said else 'no reason given'}")
    return wheels[0]


def read_network(wheel: Path, member: str, size: int, sha256: str) -> bytes:
    """One network out of the wheel, checked against its size and SHA-256. Raises PoseModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as opened:
            network = opened.read(size + 1)
    except KeyError:
        raise PoseModelError(f"{wheel.name} has no {member}") from None
    if len(network) != size or hashlib.sha256(network).hexdigest() != sha256:
        raise PoseModelError(f"{member} in {wheel.name} is not the network that was expected")
    return network


def with_pixel_range(network: bytes) -> bytes:
    """The landmark network with the metadata that says it takes pixels / 255 (mean 0, std 255).

    The old graphs knew that by themselves; the Tasks API refuses an image network that does not say it
    ("requires specifying NormalizationOptions"). mediapipe's own `MetadataPopulator` would write it, but in 1.2
    it imports a compiled module that the wheel no longer has, so its schema classes are used directly.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(network, 0)
    buffer = schema.BufferT()
    buffer.data = _pixel_range_metadata(metadata_schema, len(model.subgraphs[0].outputs))
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(network))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _pixel_range_metadata(schema: Any, outputs: int) -> bytes:
    """Metadata of a network with one RGB frame as input and `outputs` plain outputs."""
    import flatbuffers

    unit = schema.ProcessUnitT(
        schema.ProcessUnitOptions.NormalizationOptions, schema.NormalizationOptionsT([0.0], [255.0])
    )
    picture = schema.ContentT(
        schema.ContentProperties.ImageProperties, schema.ImagePropertiesT(schema.ColorSpaceType.RGB)
    )
    graph = schema.SubGraphMetadataT(
        inputTensorMetadata=[schema.TensorMetadataT(name="image", content=picture, processUnits=[unit])],
        outputTensorMetadata=[schema.TensorMetadataT(name=f"output {i}") for i in range(outputs)],
    )
    metadata = schema.ModelMetadataT(name="BlazePose landmarks", subgraphMetadata=[graph])
    metadata.license, metadata.minParserVersion = "Apache-2.0", "1.0.0"
    builder = flatbuffers.Builder(0)
    builder.Finish(metadata.Pack(builder), b"M001")
    return bytes(builder.Output())


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or nothing: another process never sees half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _bytes_under(folder: Path) -> int:
    """Bytes in the files under `folder`; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total
