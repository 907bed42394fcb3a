"""What is learnt from labels, and never scored where it was learnt: out of fold, by image."""
