"""SUMO's road network files: one in as a map, with its signals and with detectors to run them.

Glossary
--------
edge         a carriageway of SUMO; its lane 0 is the rightmost
connection   a way from a lane over a junction to a lane
link index   the place of a connection in the state of a traffic light
foes         connections of one junction whose ways cross or meet
phase        a state of a traffic light that stays for a time
"""

from twin.network.sumo.convert import is_sumo, read_sumo_net

__all__ = ["is_sumo", "read_sumo_net"]
