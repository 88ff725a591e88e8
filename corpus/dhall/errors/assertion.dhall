let double = \(n : Natural) -> n * 2

let example = assert : double 4 === 9

in  double
