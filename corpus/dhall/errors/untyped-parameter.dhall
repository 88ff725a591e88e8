let add = \x -> x + 1 in add 2
