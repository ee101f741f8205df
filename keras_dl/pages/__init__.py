"""How results become text for a terminal and pages of HTML."""
