"""Take records from the log, judge each of them once, and commit what they change.

Read in the order a record travels: `topics` (where it lands), `sealing` (plates), `decode`,
`check`, `order` (watermark, duplicates, revisions), `batch` (all of it for one fetch), `worker`
(state, commit, ticks), `relay` (what goes out). `answer` gives a sender the reasons at once.

reading    one message of one detector          verdict   applied, duplicate, late or rejected
watermark  the newest accepted event time of a partition, advanced record by record
lateness   how far behind the watermark a record may be and still change the live state
source     who sent it: the API key's name in the record's header, else `kafka`
"""
