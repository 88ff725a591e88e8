let Level = < Debug | Info >

in  merge { Debug = 0, Info = "1" } Level.Info
