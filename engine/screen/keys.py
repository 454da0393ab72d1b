"""Every key: the one table that the window obeys, and that F1, README and the tests read."""

from dataclasses import dataclass

import pygame

EMOTION_KEYS = 8
INTENSITY_STEP = 10
"""Percent of the intensity that a press of [ or ] takes or gives."""


@dataclass(frozen=True)
class Key:
    """A key with its modifier, what it does (`action`, `argument`), and its words for people.

    In a kiosk only keys with `kiosk` do anything.
    """

    code: int
    action: str
    label: str
    meaning: str
    argument: int | None = None
    control: bool = False
    shift: bool = False
    kiosk: bool = True


KEYS = (
    *(
        Key(pygame.K_1 + i, "emotion", "1 to 8", "emotion of the palette", argument=i)
        for i in range(EMOTION_KEYS)
    ),
    *(
        Key(pygame.K_1 + i, "blend", "Shift+1 to 8", "add it to the blend, or take it out", i, shift=True)
        for i in range(EMOTION_KEYS)
    ),
    Key(pygame.K_LEFTBRACKET, "intensity", "[", "less of the emotion, towards neutral", -INTENSITY_STEP),
    Key(pygame.K_RIGHTBRACKET, "intensity", "]", "more of the emotion", INTENSITY_STEP),
    Key(pygame.K_a, "automatic", "A", "automatic on or off: the visitor's movement sets the emotion"),
    Key(pygame.K_r, "repertoire", "R", "next repertoire: dance, gesture, walk, the default"),
    Key(pygame.K_TAB, "scene", "Tab", "next scene: figure, ribbons, chorus, constellation"),
    Key(pygame.K_m, "mirror", "M", "the visitor's mirror figure on or off"),
    Key(pygame.K_SPACE, "restart", "Space", "new start of the dance"),
    Key(pygame.K_s, "screenshot", "S", "save the picture as PNG"),
    Key(pygame.K_v, "record", "V", "record what is seen and danced, on or off"),
    Key(pygame.K_h, "overlay", "H", "overlay on or off: emotion, frame rate, latency, the last fault"),
    Key(pygame.K_F1, "keys", "F1", "list of the keys on or off"),
    Key(pygame.K_f, "fullscreen", "F", "full screen on or off", kiosk=False),
    Key(pygame.K_q, "quit", "Ctrl+Q", "quit", control=True),
    Key(pygame.K_ESCAPE, "quit", "Esc", "quit; not in a kiosk", kiosk=False),
)
"""In the order of the lists that people read. A key of the number pad counts as the digit."""
BRACKETS = {"[": pygame.K_LEFTBRACKET, "]": pygame.K_RIGHTBRACKET}


def key_for(code: int, modifiers: int, kiosk: bool, text: str = "", scancode: int = 0) -> Key | None:
    """The key that was pressed with pygame's `modifiers` held, None if it has no meaning.

    Keyboards differ from country to country: a bracket counts where it is typed (`text`), with AltGr and 8 on a
    German one; a digit counts by its place in the upper row (`scancode`), which types something else on a
    French one. A key that is pressed with Alt or AltGr and types no bracket has no meaning.
    """
    control, shift = bool(modifiers & pygame.KMOD_CTRL), bool(modifiers & pygame.KMOD_SHIFT)
    if text in BRACKETS:
        code, control, shift = BRACKETS[text], False, False
    elif modifiers & (pygame.KMOD_ALT | pygame.KMOD_MODE):
        return None
    elif pygame.K_KP_1 <= code < pygame.K_KP_1 + EMOTION_KEYS:
        code = pygame.K_1 + code - pygame.K_KP_1
    elif pygame.KSCAN_1 <= scancode < pygame.KSCAN_1 + EMOTION_KEYS:
        code = pygame.K_1 + scancode - pygame.KSCAN_1
    for key in KEYS:
        if key.code == code and key.control == control and key.shift == shift and (key.kiosk or not kiosk):
            return key
    return None


def listing() -> tuple[tuple[str, str], ...]:
    """(label, meaning) of each key, the digits as one."""
    return tuple(dict.fromkeys((key.label, key.meaning) for key in KEYS))
