"""The scenes, in the order in which Tab goes through them. A new one: write its file, add its class here."""

from engine.render.scene import Scene
from engine.render.scenes.chorus import Chorus
from engine.render.scenes.constellation import Constellation
from engine.render.scenes.figure import Figure
from engine.render.scenes.ribbons import Ribbons

SCENES: dict[str, type[Scene]] = {scene.name: scene for scene in (Figure, Ribbons, Chorus, Constellation)}
