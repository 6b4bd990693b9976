"""memberlist and Serf as pure state machines and wire formats."""
