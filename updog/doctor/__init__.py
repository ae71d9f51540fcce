"""``updog doctor``: what is right and wrong here, one thing a line, and what to do about it.

It looks and changes nothing: no trusted metadata is kept, no seed is drawn, no lock is taken.
"""
