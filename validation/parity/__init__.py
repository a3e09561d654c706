"""Other engines as reference runs: the rules of each as a loop of ours, beside the package itself."""
