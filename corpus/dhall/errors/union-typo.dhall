let Level = < Debug | Info > in Level.Inof
