\(n : Natural) -> n +1
