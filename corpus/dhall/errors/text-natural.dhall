"port " ++ 80
