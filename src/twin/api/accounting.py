"""The accounting: received = applied + duplicate + late + rejected, always, per sender."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from twin.api.auth import House
from twin.api.book_views import AccountingView, TallyView
from twin.api.routes import Endpoint, json_answer
from twin.store.accounting import balanced, totals


async def accounting(served: House) -> Response:
    """Give the counts of every sender and topic, and their sums."""
    entries = await totals(served.database)
    view = AccountingView(
        received=sum(entry.received for entry in entries),
        applied=sum(entry.applied for entry in entries),
        revised=sum(entry.revised for entry in entries),
        duplicate=sum(entry.duplicate for entry in entries),
        late=sum(entry.late for entry in entries),
        rejected=sum(entry.rejected for entry in entries),
        balanced=all(balanced(entry) for entry in entries),
        sources=[
            TallyView(
                source=entry.source,
                topic=entry.topic,
                received=entry.received,
                applied=entry.applied,
                revised=entry.revised,
                duplicate=entry.duplicate,
                late=entry.late,
                rejected=entry.rejected,
                reasons=dict(entry.reasons),
            )
            for entry in entries
        ],
    )
    return json_answer(view)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/accounting",
        handler=accounting,
        summary="Where every event went",
        tag="service",
        answer=AccountingView,
    ),
)
