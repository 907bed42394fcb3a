"""What a run is asked for: settings, their legal values, and the probe of another run."""
