"""What we believe now: from measurements to a state of every link, with uncertainty and age."""
