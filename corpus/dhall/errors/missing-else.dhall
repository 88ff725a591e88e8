if True then 1
