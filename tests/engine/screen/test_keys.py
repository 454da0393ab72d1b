"""Keys of keyboards of several countries, as SDL reports them."""

import pygame
import pytest

from engine.screen.keys import EMOTION_KEYS, key_for

ALTGR, NONE, SHIFT = pygame.KMOD_RALT, pygame.KMOD_NONE, pygame.KMOD_LSHIFT
WINDOWS_ALTGR = pygame.KMOD_RALT | pygame.KMOD_LCTRL


@pytest.mark.parametrize("altgr", [ALTGR, WINDOWS_ALTGR, pygame.KMOD_MODE])
@pytest.mark.parametrize(
    ("code", "place", "text", "argument"),
    [
        (pygame.K_8, pygame.KSCAN_8, "[", -10),  # German
        (pygame.K_9, pygame.KSCAN_9, "]", 10),
        (ord("("), pygame.KSCAN_5, "[", -10),  # French
        (ord(")"), pygame.KSCAN_MINUS, "]", 10),
    ],
)
def test_a_bracket_counts_where_it_is_typed(
    altgr: int, code: int, place: int, text: str, argument: int
) -> None:
    key = key_for(code, altgr, False, text, place)
    assert key is not None and (key.action, key.argument) == ("intensity", argument)


def test_a_bracket_of_its_own_key_counts() -> None:
    key = key_for(pygame.K_LEFTBRACKET, NONE, True, "[", pygame.KSCAN_LEFTBRACKET)
    assert key is not None and key.argument == -10
    key = key_for(pygame.K_LEFTBRACKET, NONE, True)  # without a text, as from a remote desktop
    assert key is not None and key.argument == -10


@pytest.mark.parametrize("place", range(EMOTION_KEYS))
def test_a_digit_counts_by_its_place_whatever_it_types(place: int) -> None:
    french = "&é\"'(-è_"[place]
    key = key_for(ord(french), NONE, False, french, pygame.KSCAN_1 + place)
    assert key is not None and (key.action, key.argument) == ("emotion", place)
    key = key_for(ord(french), SHIFT, False, str(place + 1), pygame.KSCAN_1 + place)
    assert key is not None and (key.action, key.argument) == ("blend", place)


@pytest.mark.parametrize("altgr", [ALTGR, pygame.KMOD_MODE, pygame.KMOD_LALT])
def test_with_alt_a_digit_or_letter_has_no_meaning(altgr: int) -> None:
    assert key_for(pygame.K_3, altgr, False, "³", pygame.KSCAN_3) is None
    assert key_for(pygame.K_q, altgr | pygame.KMOD_LCTRL, False, "@", pygame.KSCAN_Q) is None
