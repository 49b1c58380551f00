"""Qt widgets that several docks share."""
