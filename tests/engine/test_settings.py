from pathlib import Path

import numpy as np
import pytest

from engine.control.controls import Controls
from engine.control.operator import DEFAULT_HOLD_S
from engine.control.repertoire import table_weights
from engine.render.scenes import SCENES
from engine.runtime.faults import StartError
from engine.settings import Settings, as_file, parse_settings
from models.emotion.glide import DEFAULT_GLIDE_S


def complaint(*arguments: str) -> str:
    with pytest.raises(StartError) as caught:
        parse_settings(arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_given_means_the_defaults() -> None:
    assert parse_settings([]) == Settings()


def test_the_command_line_goes_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    config = tmp_path / "piece.toml"
    config.write_text('emotion = "sad"\nseed = 4\nosc_targets = ["10.0.0.2:7000", "127.0.0.1:9001"]\n')
    settings = parse_settings(["--config", str(config), "--seed", "9"])
    assert (settings.emotion, settings.seed, settings.influence) == ("sad", 9, 0.6)
    assert settings.osc_targets == ("10.0.0.2:7000", "127.0.0.1:9001")
    config.write_text("loop = true\nkiosk = true\nheadless = true\n")
    settings = parse_settings(["--config", str(config), "--no-loop", "--no-kiosk", "--no-headless"])
    assert not (settings.loop or settings.kiosk or settings.headless)


def test_every_flag_of_the_contract_is_understood() -> None:
    settings = parse_settings(
        [
            "--source",
            "film.mp4",
            "--loop",
            "--no-mirror",
            "--emotion",
            "happy",
            "--seed",
            "3",
            "--checkpoint",
            "c.safetensors",
            "--windowed",
            "--headless",
            "--seconds",
            "2.5",
            "--stats",
            "s.json",
        ]
    )
    assert settings.loop and settings.mirror is False and settings.headless and not settings.fullscreen
    assert settings.seconds == 2.5 and settings.stats == Path("s.json")
    assert parse_settings(["--fullscreen", "--mirror"]).fullscreen


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seconds", "soon"], "--seconds"),
        (["--seconds", "-1"], "--seconds"),
        (["--seed", "1.5"], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["--energy", "3"], "0 to 2"),
        (["--repertoire", "waltz"], "--repertoire: 'waltz' will not do: no repertoire is called 'waltz'"),
        (["--scene", "sparks"], "will not do: there are figure"),
        (["--config", "absent.toml"], "absent.toml"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(arguments: list[str], named: str) -> None:
    assert named in complaint(*arguments)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("emotoin = 'sad'", "there is no such setting"),
        ("influence = 7", "influence"),
        ("repertoire = { waltz = 1 }", "no repertoire is called 'waltz'; there are dance, gesture, walk"),
        ("repertoire = { dance = 7 }", "repertoire: 7 will not do"),
        ("repertoire = { dance = 0 }", "not all 0"),
        ("repertoire = {}", "not all 0"),
        ("repertoire = ['dance']", "repertoire"),
        ("osc_targets = ['nowhere']", "osc_targets"),
        ("osc_in = 'x:y'", "osc_in"),
        ("= = =", "not valid TOML"),
        ("width = 1", "width"),
        ("a = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, text: str, named: str) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    message = complaint("--config", str(config))
    assert "wrong.toml" in message and named in message


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "binary.toml"
    config.write_bytes(bytes(range(256)))
    assert "binary.toml" in complaint("--config", str(config))
    assert str(tmp_path) in complaint("--config", str(tmp_path))


def test_every_scene_of_the_table_can_be_set_and_no_other() -> None:
    for name in SCENES:
        assert parse_settings(["--scene", name]).scene == name
    said = complaint("--scene", "opera")
    assert "--scene: 'opera'" in said and ", ".join(SCENES) in said


def test_a_repertoire_is_a_name_or_in_a_file_a_table_of_weights(tmp_path: Path) -> None:
    assert parse_settings(["--repertoire", "Gesture"]).repertoire == {"gesture": 1.0}
    file = tmp_path / "piece.toml"
    for text, weights in (("'walk'", [0, 0, 1]), ("{ dance = 0.4, Gesture = 0.1 }", [0.8, 0.2, 0])):
        file.write_text(f"repertoire = {text}\n")
        settings = parse_settings(["--config", str(file)])
        np.testing.assert_allclose(table_weights(settings.repertoire), weights, rtol=1e-6)
        file.write_text(as_file(settings))
        assert parse_settings(["--config", str(file)]) == settings


def test_a_file_that_notepad_saved_is_read_and_one_of_powershell_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "piece.toml"
    file.write_bytes("energy = 1.5\n".encode("utf-8-sig"))
    assert parse_settings(["--config", str(file)]).energy == 1.5
    file.write_bytes("energy = 1.5\n".encode("utf-16"))
    assert "save it as UTF-8" in complaint("--config", str(file))


def test_a_path_whose_backslashes_were_escapes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "piece.toml"
    file.write_text('log = "C:\\temp\\new.log"\n')
    assert "single quotes" in complaint("--config", str(file))
    file.write_text("log = 'C:\\temp\\new.log'\n")
    assert str(parse_settings(["--config", str(file)]).log) == "C:\\temp\\new.log"


def test_every_line_of_the_printed_settings_can_be_uncommented(tmp_path: Path) -> None:
    file = tmp_path / "piece.toml"
    lines = as_file(Settings()).splitlines()
    file.write_text(
        "\n".join(line.removeprefix("#") if line[:1] == "#" and line[1:2] != " " else line for line in lines)
    )
    settings = parse_settings(["--config", str(file)])
    assert settings.watchdog == 10 and str(settings.log) == "piece.log" and settings.mirror is True


def test_defaults_are_those_of_the_rooms() -> None:
    settings, controls = Settings(), Controls(np.zeros(8, dtype=np.float32))
    assert (settings.glide, settings.hold) == (DEFAULT_GLIDE_S, DEFAULT_HOLD_S)
    same = ("influence", "energy", "automatic")
    assert [getattr(settings, name) for name in same] == [getattr(controls, name) for name in same]
    np.testing.assert_array_equal(table_weights(settings.repertoire), controls.repertoire)
