let start = \(c : { name : Text, ports : List Natural }) -> c.name

in  start { name = "a", ports = [ "80" ] }
