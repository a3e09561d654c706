"""The command `tieout audit`: the fills of any engine or broker, booked and compared with its claims."""
