"""Whether detectors can be believed: limits, what is remembered, verdicts, replacements."""
