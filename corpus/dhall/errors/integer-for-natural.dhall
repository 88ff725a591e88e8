Natural/even +2
