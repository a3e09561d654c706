"""The rules of vectorbt, its runs, and the package itself."""
