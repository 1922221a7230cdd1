"""The single map: one immutable, versioned description of the city's network.

Glossary
--------
node       a point where links meet
link       one directed carriageway between two nodes
lane       a strip of a link, number 1 is the leftmost through lane (negative: pockets left of it)
movement   a permitted way from one link to another at a node
junction   a node with traffic signals
group      movements of a junction that always show the same signal (pedestrians too)
stage      a set of groups that are green together
intergreen the least time between the end of one group's green and the start of another's
plan       a fixed cycle of stages
sensor     a detector at a place on a link
gate       a directed point on a link where plates are read (people say control point)
zone       a set of links with a purpose: restricted access, or origin and destination of trips
region     a partition of the map: one worker keeps its state
layer      features beside the road: railway, urban rail, planning area, land use, works
"""
