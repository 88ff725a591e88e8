let T = { Type = { host : Text, port : Natural }, default = { port = 80 } }

in  T::{ hots = "a" }
