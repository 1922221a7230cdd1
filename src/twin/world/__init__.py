"""The outside party: what a city sends to the service and does with its answers.

Everything here speaks to the service only as any outsider can: over its public HTTP API, with keys.

Glossary
--------
recording  a day (or a week) of what detectors and gates sent, kept in files
item       one event as JSON bytes, with the moment at which it reaches the service
player     plays a recording to a running service, in the service's time
party      one kind of street device: the signal controllers, the gates
"""
