"""Signals: which stage a junction should show, and the gate that no unsafe request passes."""
