"""What each kind of step does, and the single path on which every executor runs them."""
