"""Members that are wrong on purpose, to show that the simulation would notice.

Each variant is a small subclass that only its own simulated group is built from; product code is never touched. A
variant that is not caught within a few seeds means that the simulation is too weak. They bear the names of the defects:
some were found in real systems, the others are rules that are easy to forget.
"""

from lictor_sim.broken.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "Variant"]
