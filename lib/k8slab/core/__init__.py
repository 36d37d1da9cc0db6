"""What all parts stand on: processes, threads, waiting, files, the environment."""
