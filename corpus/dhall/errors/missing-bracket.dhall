{ name = "web", ports = [ 80, 443 }
