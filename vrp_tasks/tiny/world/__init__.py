"""A world with known truth: procedural scenes of coloured shapes and questions about them.

Scenes and questions depend on a seed alone, so a benchmark split is a list of seeds and its
annotation (boxes, visible masks, answers) is exact. No lmms-eval, no torch.
"""

from vrp_tasks.tiny.world.questions import KINDS, Question, ask
from vrp_tasks.tiny.world.scene import IMAGE_SIZE, Scene, SceneObject, draw_scene

__all__ = ["IMAGE_SIZE", "KINDS", "Question", "Scene", "SceneObject", "ask", "draw_scene"]
