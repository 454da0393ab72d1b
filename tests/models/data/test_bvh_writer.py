"""A dance that was written as BVH is read back as it was danced, by us and by a library that is not ours."""

import bvhio
import numpy as np
import pytest

from models.data.bvh import read_bvh
from models.data.bvh_writer import write_bvh
from models.motion.skeleton import BONE_LENGTHS, JOINTS, forward_kinematics, unit_vectors


def dance(frames=40, seed=5):
    """Bones that swing by chance, (T, 17, 3)."""
    random = np.random.default_rng(seed)
    directions = np.cumsum(random.normal(scale=0.08, size=(frames, 16, 3)), axis=0) + random.normal(
        size=(16, 3)
    )
    pelvis = np.cumsum(random.normal(scale=0.02, size=(frames, 3)), axis=0) + (0.0, 0.9, 0.0)
    return forward_kinematics(pelvis, unit_vectors(directions), BONE_LENGTHS)


def test_our_importer_reads_every_joint_where_it_was(tmp_path):
    positions = dance()
    write_bvh(tmp_path / "dance.bvh", positions)
    take = read_bvh(tmp_path / "dance.bvh")
    order = [take.joints.index(joint) for joint in JOINTS]
    assert take.frame_time == pytest.approx(1 / 30, abs=1e-6)
    assert np.abs(take.positions()[:, order] - positions).max() < 2e-4


def test_a_foreign_library_reads_every_joint_where_it_was(tmp_path):
    positions = dance()
    write_bvh(tmp_path / "dance.bvh", positions)
    root = bvhio.readAsHierarchy(str(tmp_path / "dance.bvh"))
    assert len([joint for joint, _, _ in root.layout()]) == len(JOINTS)
    for frame in (0, 17, 39):
        root.loadPose(frame)
        found = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()}
        for index, name in enumerate(JOINTS):
            assert np.abs(found[name] - positions[frame, index]).max() < 1e-3, name


def test_a_bone_that_points_against_its_rest_is_no_trouble(tmp_path):
    up = np.tile([[0.0, 1.0, 0.0]], (16, 1))
    up[[8, 12]] = [[0, 1, 0], [0, 1, 0]]  # thighs straight up
    positions = forward_kinematics(np.array([0.0, 0.9, 0.0]), up, BONE_LENGTHS)[None]
    write_bvh(tmp_path / "up.bvh", positions)
    take = read_bvh(tmp_path / "up.bvh")
    assert np.isfinite(take.positions()).all()


def test_what_is_no_dance_is_refused(tmp_path):
    with pytest.raises(ValueError, match="finite"):
        write_bvh(tmp_path / "x.bvh", np.full((2, 17, 3), np.nan))
    with pytest.raises(ValueError, match="17"):
        write_bvh(tmp_path / "x.bvh", np.zeros((0, 17, 3)))
