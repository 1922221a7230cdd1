"""The HTTP face of the service: one file a resource, one table of who may do what."""

from twin.api.application import create_api
from twin.api.board import Board
from twin.api.served import Mode, Served

__all__ = ["Board", "Mode", "Served", "create_api"]
