let greeting = "hello

in  greeting
