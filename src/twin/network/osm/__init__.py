"""OpenStreetMap extracts (PBF or XML) as a map.

Glossary
--------
way        a line of nodes with tags; a road is often cut into many ways
piece      a stretch of one way between two nodes where roads meet or end
chain      pieces that follow each other with equal attributes: becomes one link a direction
course     what a road is in one direction: class, lanes, speed, capacity, names
rule       a relation that forbids or prescribes a turn
"""

from twin.network.osm.convert import is_osm, read_osm

__all__ = ["is_osm", "read_osm"]
