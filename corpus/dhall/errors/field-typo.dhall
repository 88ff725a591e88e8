let config = { hostname = "a", port = 80 }

in  config.hostnam
