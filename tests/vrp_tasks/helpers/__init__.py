"""What several tests of this folder are made with; no test."""
