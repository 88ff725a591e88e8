let Level = < Debug | Info >

in  merge { Debug = 0, Inof = 1 } Level.Info
