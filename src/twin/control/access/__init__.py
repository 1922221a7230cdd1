"""Access: who may enter a zone, why, and what the gate is asked to do."""
