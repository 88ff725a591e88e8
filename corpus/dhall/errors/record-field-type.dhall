let Config = { host : Text, port : Natural }

in  { host = "a", port = "80" } : Config
