let n = 1 in n with a = 2
