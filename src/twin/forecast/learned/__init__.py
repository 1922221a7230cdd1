"""The learned forecast: experts of different kinds, and a blend that knows whom to trust.

calendar    kind of day and slot of the day of a row
memory      what is remembered of every station, row by row
profile     the usual day, learned on line
neighbours  who stands near whom, from the map or from the data
features    what the models look at
linear      lines by absolute error, one for each station and step
trees       gradient-boosted trees over all stations
blend       weights that learn on line, beginning at the last value
intervals   80 % bounds that keep their promise, in congestion, too
fit         from a history to a model
engine      one row in, one hour out
"""
