"""Control: what should be done now, and why.

Glossary
--------
decision       one thing that the service wants done, with its reason, inputs and expiry
version        one step in a decision's life; a step never changes an earlier one
proposal       a decision that waits for a person
grant          an approved `signal_control` decision: one junction is in the service's hands until
               a stated time
lease          the time until which the street obeys a command; after it the street does what it
               would do without the service
stage          groups of a junction that are green together
intergreen     the least time between the end of one group's green and the start of another's
pressure       vehicles waiting before a movement less those behind it, times its saturation flow
gate           a directed point on a link where plates are read
passage        one vehicle at one gate
authorisation  a right to enter a zone, held by a person or a firm for some plates
profile        the kind of an authorisation (resident, goods, taxi ...), with its windows
token          a keyed code that stands for a plate; nothing here but `access/identity.py` sees one
"""
