let Level = < Debug | Info | Error : Text >

in  merge { Debug = 0, Info = 1 } Level.Info
