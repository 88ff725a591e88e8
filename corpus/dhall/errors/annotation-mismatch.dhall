let port : Natural = "80" in port
