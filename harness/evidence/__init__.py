"""What a run keeps of its wires."""
