let replicas = 3

in  { count = replcas }
