"""What every number is made of: checked arguments, folds and images, estimates with intervals."""
