"""Known faults as data: what confirms each, what rules it out, what to do and how to tell that it helped."""
