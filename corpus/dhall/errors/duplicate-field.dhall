{ a : Natural, a : Bool }
