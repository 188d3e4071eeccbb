"""Published results, each by one command: trainings, a picture, the numbers beside the published ones."""
