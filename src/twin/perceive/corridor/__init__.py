"""The state of one road over place and time, from few detectors, on line and off line."""
