"""The report of a what-if: one HTML file to read, print and pass on."""

from twin.scenario.report.about import About, EditTold
from twin.scenario.report.page import report_html, write_report

__all__ = ["About", "EditTold", "report_html", "write_report"]
