"""A city that runs in SUMO, as an outside party of the service.

SUMO keeps the vehicles and the streets. What the service learns of them are loop readings and the
statuses of signal controllers; what it decides comes back as commands that the controllers obey
lawfully. Nothing here knows the inside of the service.

Glossary
--------
scene        the files of one SUMO scenario, copied, and the map made from its network
street time  the second that SUMO has reached, on the service's clock
lease share  the part of all junction-seconds in which a controller obeyed the service
"""
