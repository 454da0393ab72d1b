"""The scenes, in the order in which Tab goes through them. A new one: write its file, add its class here."""

from engine.scene import Scene
from engine.scenes.chorus import Chorus
from engine.scenes.constellation import Constellation
from engine.scenes.figure import Figure
from engine.scenes.ribbons import Ribbons

SCENES: dict[str, type[Scene]] = {scene.name: scene for scene in (Figure, Ribbons, Chorus, Constellation)}
