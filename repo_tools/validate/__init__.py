"""What a client would only find out too late: a whole repository, read to its last byte."""
