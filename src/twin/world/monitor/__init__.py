"""An independent watch over what signals really show, second by second.

It knows the street only: the net's own foes and what the file's own program does, or for a city
the matrices of its map. It was written
without the service's safety rules and shares nothing with them.
"""

from twin.world.monitor.matrices import rules_of_map, walkers
from twin.world.monitor.rules import Rules, rules_of_net
from twin.world.monitor.watch import Monitor, Violation

__all__ = ["Monitor", "Rules", "Violation", "rules_of_map", "rules_of_net", "walkers"]
