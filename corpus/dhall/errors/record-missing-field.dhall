let Config = { host : Text, port : Natural }

in  { host = "a" } : Config
