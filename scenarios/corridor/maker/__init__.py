"""The parts of the corridor generator: the map first, then the traffic, then what was measured."""
