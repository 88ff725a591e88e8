\(x : Bool) -> x@1
