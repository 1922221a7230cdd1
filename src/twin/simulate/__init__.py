"""Traffic physics: exact kernels, and faces with units and checks around them.

Glossary
--------
cumulative curve  vehicles that have passed a point since the start, as a function of time
sending           vehicles that could leave a link in a step if nothing stood in the way
receiving         vehicles that could enter a link in a step
approach          a link as seen from the node at its end, or an origin
turn              an approach and a link that it leads to, with the share of vehicles that take it
"""
