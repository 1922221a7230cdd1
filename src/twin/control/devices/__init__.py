"""Commands to ramp meters, signs and gates.

*Order*: what a person asks for. *Command*: what a device is asked to do, under a *lease* that the
service renews while the order stands. `safety.py` is written apart from `orders.py` and runs last.
"""
