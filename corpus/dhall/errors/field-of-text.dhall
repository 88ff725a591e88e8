let name = "a" in name.length
