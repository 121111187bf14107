// A module from the network.
//
//	expect: exited 1
//	says:   import lookup disabled
package main

import _ "example.com/attack"

func main() {}
